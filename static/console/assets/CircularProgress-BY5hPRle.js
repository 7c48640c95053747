import{n as e,t}from"./rolldown-runtime-WkwZ5CU-.js";import{Bt as n,Ct as r,Et as i,F as a,I as o,Jt as s,L as c,R as l,St as u,Tt as d,V as f,Yt as p,an as m,cn as h,dn as g,fn as _,ht as v,kt as y,ln as b,on as x,pn as S,qt as C,sn as w,tn as T,un as E,vt as D,wt as ee,z as O,zt as k}from"./basics-jeXLXm_B.js";var te=t((e=>{var t=typeof Symbol==`function`&&Symbol.for,n=t?Symbol.for(`react.element`):60103,r=t?Symbol.for(`react.portal`):60106,i=t?Symbol.for(`react.fragment`):60107,a=t?Symbol.for(`react.strict_mode`):60108,o=t?Symbol.for(`react.profiler`):60114,s=t?Symbol.for(`react.provider`):60109,c=t?Symbol.for(`react.context`):60110,l=t?Symbol.for(`react.async_mode`):60111,u=t?Symbol.for(`react.concurrent_mode`):60111,d=t?Symbol.for(`react.forward_ref`):60112,f=t?Symbol.for(`react.suspense`):60113,p=t?Symbol.for(`react.suspense_list`):60120,m=t?Symbol.for(`react.memo`):60115,h=t?Symbol.for(`react.lazy`):60116,g=t?Symbol.for(`react.block`):60121,_=t?Symbol.for(`react.fundamental`):60117,v=t?Symbol.for(`react.responder`):60118,y=t?Symbol.for(`react.scope`):60119;function b(e){if(typeof e==`object`&&e){var t=e.$$typeof;switch(t){case n:switch(e=e.type,e){case l:case u:case i:case o:case a:case f:return e;default:switch(e&&=e.$$typeof,e){case c:case d:case h:case m:case s:return e;default:return t}}case r:return t}}}function x(e){return b(e)===u}e.AsyncMode=l,e.ConcurrentMode=u,e.ContextConsumer=c,e.ContextProvider=s,e.Element=n,e.ForwardRef=d,e.Fragment=i,e.Lazy=h,e.Memo=m,e.Portal=r,e.Profiler=o,e.StrictMode=a,e.Suspense=f,e.isAsyncMode=function(e){return x(e)||b(e)===l},e.isConcurrentMode=x,e.isContextConsumer=function(e){return b(e)===c},e.isContextProvider=function(e){return b(e)===s},e.isElement=function(e){return typeof e==`object`&&!!e&&e.$$typeof===n},e.isForwardRef=function(e){return b(e)===d},e.isFragment=function(e){return b(e)===i},e.isLazy=function(e){return b(e)===h},e.isMemo=function(e){return b(e)===m},e.isPortal=function(e){return b(e)===r},e.isProfiler=function(e){return b(e)===o},e.isStrictMode=function(e){return b(e)===a},e.isSuspense=function(e){return b(e)===f},e.isValidElementType=function(e){return typeof e==`string`||typeof e==`function`||e===i||e===u||e===o||e===a||e===f||e===p||typeof e==`object`&&!!e&&(e.$$typeof===h||e.$$typeof===m||e.$$typeof===s||e.$$typeof===c||e.$$typeof===d||e.$$typeof===_||e.$$typeof===v||e.$$typeof===y||e.$$typeof===g)},e.typeOf=b})),ne=t(((e,t)=>{t.exports=te()})),A=t(((e,t)=>{var n=ne(),r={childContextTypes:!0,contextType:!0,contextTypes:!0,defaultProps:!0,displayName:!0,getDefaultProps:!0,getDerivedStateFromError:!0,getDerivedStateFromProps:!0,mixins:!0,propTypes:!0,type:!0},i={name:!0,length:!0,prototype:!0,caller:!0,callee:!0,arguments:!0,arity:!0},a={$$typeof:!0,render:!0,defaultProps:!0,displayName:!0,propTypes:!0},o={$$typeof:!0,compare:!0,defaultProps:!0,displayName:!0,propTypes:!0,type:!0},s={};s[n.ForwardRef]=a,s[n.Memo]=o;function c(e){return n.isMemo(e)?o:s[e.$$typeof]||r}var l=Object.defineProperty,u=Object.getOwnPropertyNames,d=Object.getOwnPropertySymbols,f=Object.getOwnPropertyDescriptor,p=Object.getPrototypeOf,m=Object.prototype;function h(e,t,n){if(typeof t!=`string`){if(m){var r=p(t);r&&r!==m&&h(e,r,n)}var a=u(t);d&&(a=a.concat(d(t)));for(var o=c(e),s=c(t),g=0;g<a.length;++g){var _=a[g];if(!i[_]&&!(n&&n[_])&&!(s&&s[_])&&!(o&&o[_])){var v=f(t,_);try{l(e,_,v)}catch{}}}}return e}t.exports=h})),j=e(S());A();var re=function(e,t){var n=arguments;if(t==null||!h.call(t,`css`))return j.createElement.apply(void 0,n);var r=n.length,i=Array(r);i[0]=m,i[1]=w(e,t);for(var a=2;a<r;a++)i[a]=n[a];return j.createElement.apply(null,i)};(function(e){var t;t||=e.JSX||={}})(re||={});var ie=b(function(e,t){var n=e.styles,r=g([n],void 0,j.useContext(x)),i=j.useRef();return E(function(){var e=t.key+`-global`,n=new t.sheet.constructor({key:e,nonce:t.sheet.nonce,container:t.sheet.container,speedy:t.sheet.isSpeedy}),a=!1,o=document.querySelector(`style[data-emotion="`+e+` `+r.name+`"]`);return t.sheet.tags.length&&(n.before=t.sheet.tags[0]),o!==null&&(a=!0,o.setAttribute(`data-emotion`,e),n.hydrate([o])),i.current=[n,a],function(){n.flush()}},[t]),E(function(){var e=i.current,n=e[0];e[1]?e[1]=!1:(r.next!==void 0&&_(t,r.next,!0),n.tags.length&&(n.before=n.tags[n.tags.length-1].nextElementSibling,n.flush()),t.insert(``,r,n,!1))},[t,r.name]),null});function M(){return g([...arguments])}function N(){var e=M.apply(void 0,arguments),t=`animation-`+e.name;return{name:t,styles:`@keyframes `+t+`{`+e.styles+`}`,anim:1,toString:function(){return`_EMO_`+this.name+`_`+this.styles+`_EMO_`}}}function P(e){let{focusableWhenDisabled:t,disabled:n,composite:r=!1,tabIndex:i=0,isNativeButton:a}=e,o=r&&t!==!1,s=r&&t===!1;return j.useMemo(()=>{let e={onKeyDown(e){n&&t&&e.key!==`Tab`&&e.preventDefault()}};return r||(e.tabIndex=i,!a&&n&&(e.tabIndex=t?i:-1)),(a&&(t||o)||!a&&n)&&(e[`aria-disabled`]=n),a&&(!t||s)&&(e.disabled=n),e},[r,n,t,o,s,a,i])}var ae={};function oe(e){let{nativeButton:t,nativeButtonProp:n,internalNativeButton:r=t,allowInferredHostMismatch:i=!1,disabled:a,type:o,hasFormAction:s=!1,tabIndex:c=0,focusableWhenDisabled:l,stopEventPropagation:u=!1,onBeforeKeyDown:d,onBeforeKeyUp:f}=e,p=j.useRef(null),m=l===!0,h=P({focusableWhenDisabled:m,disabled:a,isNativeButton:t,tabIndex:c}),g=j.useCallback(()=>{let e=p.current;return e==null?t:e.tagName===`BUTTON`||!!(e.tagName===`A`&&e.href)},[t]),_=j.useMemo(()=>{let e=m?{}:{tabIndex:a?-1:c};return t?(e.type=o===void 0&&!s?`button`:o,m||(e.disabled=a)):(e.role=`button`,!m&&a&&(e[`aria-disabled`]=a)),m?{...e,...h}:e},[a,m,h,s,t,c,o]);return{getButtonProps:j.useCallback((e=ae)=>{let{onClick:t,onKeyDown:n,onKeyUp:r,...i}=e,o=e=>{u&&e.stopPropagation(),a?e.preventDefault():t?.(e)},s=e=>{m&&h.onKeyDown(e),a||(d?.(e),n?.(e),e.target!==e.currentTarget||g()||(e.key===` `?e.preventDefault():e.key===`Enter`&&(e.preventDefault(),e.currentTarget.click())))},c=e=>{a||(f?.(e),r?.(e),e.target===e.currentTarget&&!g()&&e.key===` `&&!e.defaultPrevented&&e.currentTarget.click())};return{..._,...i,onClick:o,onKeyDown:s,onKeyUp:c}},[_,a,m,h,g,d,f,u]),rootRef:p}}var se=class e{ref={current:null};shouldMount=!1;mounted=null;didMount=!1;setShouldMount=null;static create(){return new e}static use(){let t=l(e.create).current,[n,r]=j.useState(!1);return t.shouldMount=n,t.setShouldMount=r,j.useEffect(t.mountEffect,[n]),t}mount(){return this.mounted||(this.mounted=F(),this.shouldMount=!0,this.setShouldMount(this.shouldMount)),this.mounted}mountEffect=()=>{this.shouldMount&&!this.didMount&&(this.ref.current!==null&&(this.didMount=!0),this.mounted.resolve())};start(...e){this.mount().then(()=>this.ref.current?.start(...e))}stop(...e){this.mount().then(()=>this.ref.current?.stop(...e))}pulsate(...e){this.mount().then(()=>this.ref.current?.pulsate(...e))}};function ce(){return se.use()}function F(){let e,t,n=new Promise((n,r)=>{e=n,t=r});return n.resolve=e,n.reject=t,n}var I=T();function L(e){let{className:t,classes:n,pulsate:r=!1,rippleX:i,rippleY:a,rippleSize:s,in:c,onExited:l,timeout:u}=e,[d,f]=j.useState(!1),m=o(),h=j.useRef(!1),g=j.useRef(l);g.current=l;let _=l!=null,v=p(t,n.ripple,n.rippleVisible,r&&n.ripplePulsate),y={width:s,height:s,top:-(s/2)+a,left:-(s/2)+i},b=p(n.child,d&&n.childLeaving,r&&n.childPulsate);return!c&&!d&&f(!0),j.useEffect(()=>{!c&&_?h.current||(h.current=!0,m.start(u,()=>{h.current=!1,g.current?.()})):(h.current=!1,m.clear())},[m,_,c,u]),(0,I.jsx)(`span`,{className:v,style:y,children:(0,I.jsx)(`span`,{className:b})})}var R=C(`MuiTouchRipple`,[`root`,`ripple`,`rippleVisible`,`ripplePulsate`,`child`,`childLeaving`,`childPulsate`]),z=550,B={},V=[],le=()=>{};function H(e,t){let n=new Set(t),r=new Map,i=[];for(let t of e)n.has(t)?i.length>0&&(r.set(t,i),i=[]):i.push(t);let a=[];for(let e of t){let t=r.get(e);t&&a.push(...t),a.push(e)}return a.push(...i),a}function ue({event:e,element:t,center:n}){let r=t?t.getBoundingClientRect():{width:0,height:0,left:0,top:0},i,a;if(n||e===void 0||e.clientX===0&&e.clientY===0||!e.clientX&&!e.touches)i=Math.round(r.width/2),a=Math.round(r.height/2);else{let{clientX:t,clientY:n}=e.touches&&e.touches.length>0?e.touches[0]:e;i=Math.round(t-r.left),a=Math.round(n-r.top)}let o;if(n)o=Math.sqrt((2*r.width**2+r.height**2)/3),o%2==0&&(o+=1);else{let e=Math.max(Math.abs((t?t.clientWidth:0)-i),i)*2+2,n=Math.max(Math.abs((t?t.clientHeight:0)-a),a)*2+2;o=Math.sqrt(e**2+n**2)}return{rippleX:i,rippleY:a,rippleSize:o}}var U=N`
  0% {
    transform: scale(0);
    opacity: 0.1;
  }

  100% {
    transform: scale(1);
    opacity: 0.3;
  }
`,W=N`
  0% {
    opacity: 1;
  }

  100% {
    opacity: 0;
  }
`,de=N`
  0% {
    transform: scale(1);
  }

  50% {
    transform: scale(0.92);
  }

  100% {
    transform: scale(1);
  }
`;function fe(e){if(e.motion.reducedMotion===`always`)return null;let t=M`
    &.${R.rippleVisible} {
      animation-name: ${U};
      animation-duration: ${z}ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
    }

    &.${R.ripplePulsate} {
      animation-duration: ${e.transitions.duration.shorter}ms;
    }

    & .${R.childLeaving} {
      animation-name: ${W};
      animation-duration: ${z}ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
    }

    & .${R.childPulsate} {
      animation-name: ${de};
      animation-duration: 2500ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
      animation-iteration-count: infinite;
      animation-delay: 200ms;
    }
  `;return e.motion.reducedMotion===`system`?M`
      @media (prefers-reduced-motion: no-preference) {
        ${t}
      }
    `:t}var pe=i(`span`,{name:`MuiTouchRipple`,slot:`Root`})({overflow:`hidden`,pointerEvents:`none`,position:`absolute`,zIndex:0,top:0,right:0,bottom:0,left:0,borderRadius:`inherit`}),G=i(L,{name:`MuiTouchRipple`,slot:`Ripple`})`
  opacity: 0;
  position: absolute;

  &.${R.rippleVisible} {
    opacity: 0.3;
    transform: scale(1);
  }

  /*
   * Order matters: 'child', 'childLeaving' and 'childPulsate' apply to the same
   * element with equal specificity, so the later rule wins. 'child' must come
   * before 'childLeaving' so the leaving 'opacity: 0' takes precedence. A focus
   * (pulsate) ripple keeps 'pulsateKeyframe' (no opacity animation) on exit, so
   * it relies on this static 'opacity: 0' to disappear on blur instead of
   * lingering until removal.
   */
  & .${R.child} {
    opacity: 1;
    display: block;
    width: 100%;
    height: 100%;
    border-radius: 50%;
    background-color: currentColor;
  }

  & .${R.childLeaving} {
    opacity: 0;
  }

  & .${R.childPulsate} {
    position: absolute;
    /* @noflip */
    left: 0px;
    top: 0;
  }

  ${({theme:e})=>fe(e)}
`,me=j.forwardRef(function(e,t){let n=ee({props:e,name:`MuiTouchRipple`}),r=y(),i=a(r.motion.reducedMotion,!1),{center:s=!1,classes:l=B,className:u,...d}=n,[m,h]=j.useState({items:V,order:V}),g=m.items,_=j.useRef(0),v=j.useRef(null),b=j.useRef(!1);c(()=>(b.current=!0,()=>{b.current=!1})),j.useEffect(()=>{v.current&&=(v.current(),null)},[g]);let x=j.useRef(!1),S=o(),C=j.useRef(null),w=j.useRef(null),T=f(e=>{b.current&&h(t=>{let n=t.items.filter(t=>t.key!==e);return{items:n,order:H(t.order.filter(t=>t!==e),n.filter(e=>!e.exiting).map(e=>e.key))}})}),E=f(e=>{let{pulsate:t,rippleX:n,rippleY:r,rippleSize:i,cb:a}=e,o=_.current;_.current+=1,h(e=>{let a=[...e.items,{key:o,pulsate:t,rippleX:n,rippleY:r,rippleSize:i,exiting:!1}];return{items:a,order:H(e.order,a.filter(e=>!e.exiting).map(e=>e.key))}}),v.current=a}),D=f((e=B,t=B,n=le)=>{let{pulsate:r=!1,center:i=s||t.pulsate,fakeElement:a=!1}=t;if(e?.type===`mousedown`&&x.current){x.current=!1;return}e?.type===`touchstart`&&(x.current=!0);let{rippleX:o,rippleY:c,rippleSize:l}=ue({event:e,element:a?null:w.current,center:i});e?.touches?C.current===null&&(C.current=()=>{E({pulsate:r,rippleX:o,rippleY:c,rippleSize:l,cb:n})},S.start(80,()=>{C.current&&=(C.current(),null)})):E({pulsate:r,rippleX:o,rippleY:c,rippleSize:l,cb:n})}),O=f(()=>{D(B,{pulsate:!0})}),k=f((e,t)=>{S.clear(),e?.type===`touchend`&&C.current?(C.current(),C.current=null,S.start(0,()=>{k(e,t)})):(C.current=null,h(e=>{let t=e.items.findIndex(e=>!e.exiting);if(t===-1)return e;let n=e.items.slice();return n[t]={...n[t],exiting:!0},{items:n,order:H(e.order,n.filter(e=>!e.exiting).map(e=>e.key))}}),v.current=t)});j.useImperativeHandle(t,()=>({pulsate:O,start:D,stop:k}),[O,D,k]);let te=new Map(g.map(e=>[e.key,e])),ne=m.order.map(e=>te.get(e)).filter(Boolean);return(0,I.jsx)(pe,{className:p(R.root,l.root,u),ref:w,...d,children:ne.map(e=>(0,I.jsx)(G,{classes:{ripple:p(l.ripple,R.ripple),rippleVisible:p(l.rippleVisible,R.rippleVisible),ripplePulsate:p(l.ripplePulsate,R.ripplePulsate),child:p(l.child,R.child),childLeaving:p(l.childLeaving,R.childLeaving),childPulsate:p(l.childPulsate,R.childPulsate)},timeout:i.shouldReduceMotion?0:z,pulsate:e.pulsate,rippleX:e.rippleX,rippleY:e.rippleY,rippleSize:e.rippleSize,in:!e.exiting,onExited:()=>T(e.key)},e.key))})});function he(e){return s(`MuiButtonBase`,e)}var K=C(`MuiButtonBase`,[`root`,`disabled`,`focusVisible`]),ge=e=>{let{disabled:t,focusVisible:r,focusVisibleClassName:i,suppressFocusVisible:a,classes:o}=e,s=n({root:[`root`,t&&`disabled`,r&&!a&&`focusVisible`]},he,o);return r&&!a&&i&&(s.root+=` ${i}`),s},_e=i(`button`,{name:`MuiButtonBase`,slot:`Root`})(d(({theme:e})=>({display:`inline-flex`,alignItems:`center`,justifyContent:`center`,position:`relative`,boxSizing:`border-box`,WebkitTapHighlightColor:`transparent`,backgroundColor:`transparent`,outline:0,border:0,margin:0,borderRadius:0,padding:0,cursor:`pointer`,userSelect:`none`,verticalAlign:`middle`,MozAppearance:`none`,WebkitAppearance:`none`,textDecoration:`none`,color:`inherit`,"&::-moz-focus-inner":{borderStyle:`none`},[`&.${K.disabled}`]:{pointerEvents:`none`,cursor:`default`},"@media print":{colorAdjust:`exact`},variants:[{props:{internalDisabledThemeFocusVisible:!1},style:e.focusVisible&&{...k,[`&.${K.focusVisible}`]:e.focusVisible}}]}))),ve=j.forwardRef(function(e,t){let n=ee({props:e,name:`MuiButtonBase`}),{action:r,centerRipple:i=!1,children:a,className:o,component:s=`button`,disabled:c=!1,disableRipple:l=!1,disableTouchRipple:d=!1,focusRipple:m=!1,focusVisibleClassName:h,focusableWhenDisabled:g,suppressFocusVisible:_=!1,internalNativeButton:v,internalDisabledThemeFocusVisible:y=!1,LinkComponent:b=`a`,nativeButton:x,onBlur:S,onClick:C,onContextMenu:w,onDragLeave:T,onFocus:E,onFocusVisible:D,onKeyDown:k,onKeyUp:te,onMouseDown:ne,onMouseLeave:A,onMouseUp:re,onTouchEnd:ie,onTouchMove:M,onTouchStart:N,tabIndex:P=0,TouchRippleProps:ae,touchRippleRef:se,type:F,...L}=n,R=!!(L.href||L.to),z=!!L.formAction,B=s;B===`button`&&R&&(B=b);let V=typeof B==`string`?B===`button`:v??!1,le=x??V,H=ce(),ue=u(H.ref,se),[U,W]=j.useState(!1);(c||_)&&U&&W(!1);let de=f(e=>{m&&!e.repeat&&U&&e.key===` `&&H.stop(e,()=>{H.start(e)})}),fe=f(e=>{m&&e.key===` `&&U&&!e.defaultPrevented&&H.stop(e,()=>{H.pulsate(e)})}),{getButtonProps:pe,rootRef:G}=oe({nativeButton:le,nativeButtonProp:x,internalNativeButton:V,allowInferredHostMismatch:R||typeof B==`string`,disabled:c,type:F,hasFormAction:z,tabIndex:P,onBeforeKeyDown:de,onBeforeKeyUp:fe}),{onClick:he,onKeyDown:K,onKeyUp:ve,...ye}=pe({onClick:C,onKeyDown:k,onKeyUp:te});j.useImperativeHandle(r,()=>({focusVisible:()=>{W(!0),G.current.focus()}}),[G]);let be=H.shouldMount&&!l&&!c;j.useEffect(()=>{U&&m&&!l&&H.pulsate()},[l,m,U,H]);let J=q(H,`start`,ne,d),xe=q(H,`stop`,w,d),Y=q(H,`stop`,T,d),X=q(H,`stop`,re,d),Z=q(H,`stop`,e=>{U&&e.preventDefault(),A&&A(e)},d),Se=q(H,`start`,N,d),Ce=q(H,`stop`,ie,d),we=q(H,`stop`,M,d),Te=q(H,`stop`,e=>{O(e.target)||W(!1),S&&S(e)},!1),Ee=f(e=>{G.current||=e.currentTarget,!_&&O(e.target)&&(W(!0),D&&D(e)),E&&E(e)}),Q={};R&&(Q.tabIndex=c?-1:P,c&&(Q[`aria-disabled`]=c),Q.type=F);let De=u(t,G),$={...n,centerRipple:i,component:s,disabled:c,disableRipple:l,disableTouchRipple:d,focusRipple:m,suppressFocusVisible:_,tabIndex:P,focusVisible:U,internalDisabledThemeFocusVisible:y},Oe=ge($);return(0,I.jsxs)(_e,{as:B,className:p(Oe.root,o),ownerState:$,onBlur:Te,onClick:he,onContextMenu:xe,onFocus:Ee,onKeyDown:K,onKeyUp:ve,onMouseDown:J,onMouseLeave:Z,onMouseUp:X,onDragLeave:Y,onTouchEnd:Ce,onTouchMove:we,onTouchStart:Se,ref:De,...R?Q:ye,...L,children:[a,be?(0,I.jsx)(me,{ref:ue,center:i,...ae}):null]})});function q(e,t,n,r=!1){return f(i=>(n&&n(i),r||e[t](i),!0))}function ye(e){return typeof e.main==`string`}function be(e,t=[]){if(!ye(e))return!1;for(let n of t)if(!e.hasOwnProperty(n)||typeof e[n]!=`string`)return!1;return!0}function J(e=[]){return([,t])=>t&&be(t,e)}function xe(e){return s(`MuiCircularProgress`,e)}C(`MuiCircularProgress`,[`root`,`determinate`,`indeterminate`,`colorPrimary`,`colorSecondary`,`svg`,`track`,`circle`,`circleDisableShrink`]);var Y=44,X=N`
  0% {
    transform: rotate(0deg);
  }

  100% {
    transform: rotate(360deg);
  }
`,Z=N`
  0% {
    stroke-dasharray: 1px, 200px;
    stroke-dashoffset: 0;
  }

  50% {
    stroke-dasharray: 100px, 200px;
    stroke-dashoffset: -15px;
  }

  100% {
    stroke-dasharray: 1px, 200px;
    stroke-dashoffset: -126px;
  }
`,Se=typeof X==`string`?null:M`
        animation: ${X} 1.4s linear infinite;
      `,Ce=typeof Z==`string`?null:M`
        animation: ${Z} 1.4s ease-in-out infinite;
      `,we=e=>{let{classes:t,variant:i,color:a,disableShrink:o}=e,s={root:[`root`,i,`color${r(a)}`],svg:[`svg`],track:[`track`],circle:[`circle`,o&&`circleDisableShrink`]};return n(s,xe,t)},Te=i(`span`,{name:`MuiCircularProgress`,slot:`Root`,overridesResolver:(e,t)=>{let{ownerState:n}=e;return[t.root,t[n.variant],t[`color${r(n.color)}`]]}})(d(({theme:e})=>{let t=v(e,{animation:`none`});return{display:`inline-block`,variants:[{props:{variant:`determinate`},style:{...D(e,`transform`)}},{props:{variant:`indeterminate`},style:Se||{animation:`${X} 1.4s linear infinite`}},...t?[{props:{variant:`indeterminate`},style:t}]:[],...Object.entries(e.palette).filter(J()).map(([t])=>({props:{color:t},style:{color:(e.vars||e).palette[t].main}}))]}})),Ee=i(`svg`,{name:`MuiCircularProgress`,slot:`Svg`})({display:`block`}),Q=i(`circle`,{name:`MuiCircularProgress`,slot:`Circle`,overridesResolver:(e,t)=>{let{ownerState:n}=e;return[t.circle,n.disableShrink&&t.circleDisableShrink]}})(d(({theme:e})=>{let t=v(e,{animation:`none`});return{stroke:`currentColor`,variants:[{props:{variant:`determinate`},style:{...D(e,`stroke-dashoffset`)}},{props:{variant:`indeterminate`},style:{strokeDasharray:`80px, 200px`,strokeDashoffset:0}},{props:({ownerState:e})=>e.variant===`indeterminate`&&!e.disableShrink,style:Ce||{animation:`${Z} 1.4s ease-in-out infinite`}},...t?[{props:({ownerState:e})=>e.variant===`indeterminate`&&!e.disableShrink,style:t}]:[]]}})),De=i(`circle`,{name:`MuiCircularProgress`,slot:`Track`})(d(({theme:e})=>({stroke:`currentColor`,opacity:(e.vars||e).palette.action.activatedOpacity}))),$=j.forwardRef(function(e,t){let n=ee({props:e,name:`MuiCircularProgress`}),{className:r,color:i=`primary`,disableShrink:a=!1,enableTrackSlot:o=!1,min:s,max:c,size:l=40,style:u,thickness:d=3.6,value:f=n.min??0,variant:m=`indeterminate`,...h}=n,g=s??0,_=c??100,v={...n,color:i,disableShrink:a,size:l,thickness:d,value:f,variant:m,enableTrackSlot:o},y=we(v),b={},x={},S={};if(m===`determinate`){let e=2*Math.PI*((Y-d)/2),t=_-g;b.strokeDasharray=e.toFixed(3),b.strokeDashoffset=t>0?`${((_-f)/t*e).toFixed(3)}px`:`${e.toFixed(3)}px`,x.transform=`rotate(-90deg)`,S[`aria-valuenow`]=f,S[`aria-valuemin`]=g,S[`aria-valuemax`]=_}return(0,I.jsx)(Te,{className:p(y.root,r),style:{width:l,height:l,...x,...u},ownerState:v,ref:t,role:`progressbar`,...S,...h,children:(0,I.jsxs)(Ee,{className:y.svg,ownerState:v,viewBox:`${Y/2} ${Y/2} ${Y} ${Y}`,children:[o?(0,I.jsx)(De,{className:y.track,ownerState:v,cx:Y,cy:Y,r:(Y-d)/2,fill:`none`,strokeWidth:d,"aria-hidden":`true`}):null,(0,I.jsx)(Q,{className:y.circle,style:b,ownerState:v,cx:Y,cy:Y,r:(Y-d)/2,fill:`none`,strokeWidth:d})]})})});export{ie as a,K as i,J as n,M as o,ve as r,N as s,$ as t};