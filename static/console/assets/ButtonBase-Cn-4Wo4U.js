import{n as e,t}from"./rolldown-runtime-WkwZ5CU-.js";import{A as n,G as r,H as i,J as a,K as o,M as s,R as c,T as l,U as u,W as d,X as f,Y as p,_ as m,d as h,f as g,h as _,j as v,n as y,p as b,q as x,t as S,u as C,w}from"./useReducedMotion-jlUOrx16.js";import{r as T}from"./Icon-CHnrKS4f.js";var E=t((e=>{var t=typeof Symbol==`function`&&Symbol.for,n=t?Symbol.for(`react.element`):60103,r=t?Symbol.for(`react.portal`):60106,i=t?Symbol.for(`react.fragment`):60107,a=t?Symbol.for(`react.strict_mode`):60108,o=t?Symbol.for(`react.profiler`):60114,s=t?Symbol.for(`react.provider`):60109,c=t?Symbol.for(`react.context`):60110,l=t?Symbol.for(`react.async_mode`):60111,u=t?Symbol.for(`react.concurrent_mode`):60111,d=t?Symbol.for(`react.forward_ref`):60112,f=t?Symbol.for(`react.suspense`):60113,p=t?Symbol.for(`react.suspense_list`):60120,m=t?Symbol.for(`react.memo`):60115,h=t?Symbol.for(`react.lazy`):60116,g=t?Symbol.for(`react.block`):60121,_=t?Symbol.for(`react.fundamental`):60117,v=t?Symbol.for(`react.responder`):60118,y=t?Symbol.for(`react.scope`):60119;function b(e){if(typeof e==`object`&&e){var t=e.$$typeof;switch(t){case n:switch(e=e.type,e){case l:case u:case i:case o:case a:case f:return e;default:switch(e&&=e.$$typeof,e){case c:case d:case h:case m:case s:return e;default:return t}}case r:return t}}}function x(e){return b(e)===u}e.AsyncMode=l,e.ConcurrentMode=u,e.ContextConsumer=c,e.ContextProvider=s,e.Element=n,e.ForwardRef=d,e.Fragment=i,e.Lazy=h,e.Memo=m,e.Portal=r,e.Profiler=o,e.StrictMode=a,e.Suspense=f,e.isAsyncMode=function(e){return x(e)||b(e)===l},e.isConcurrentMode=x,e.isContextConsumer=function(e){return b(e)===c},e.isContextProvider=function(e){return b(e)===s},e.isElement=function(e){return typeof e==`object`&&!!e&&e.$$typeof===n},e.isForwardRef=function(e){return b(e)===d},e.isFragment=function(e){return b(e)===i},e.isLazy=function(e){return b(e)===h},e.isMemo=function(e){return b(e)===m},e.isPortal=function(e){return b(e)===r},e.isProfiler=function(e){return b(e)===o},e.isStrictMode=function(e){return b(e)===a},e.isSuspense=function(e){return b(e)===f},e.isValidElementType=function(e){return typeof e==`string`||typeof e==`function`||e===i||e===u||e===o||e===a||e===f||e===p||typeof e==`object`&&!!e&&(e.$$typeof===h||e.$$typeof===m||e.$$typeof===s||e.$$typeof===c||e.$$typeof===d||e.$$typeof===_||e.$$typeof===v||e.$$typeof===y||e.$$typeof===g)},e.typeOf=b})),D=t(((e,t)=>{t.exports=E()})),O=t(((e,t)=>{var n=D(),r={childContextTypes:!0,contextType:!0,contextTypes:!0,defaultProps:!0,displayName:!0,getDefaultProps:!0,getDerivedStateFromError:!0,getDerivedStateFromProps:!0,mixins:!0,propTypes:!0,type:!0},i={name:!0,length:!0,prototype:!0,caller:!0,callee:!0,arguments:!0,arity:!0},a={$$typeof:!0,render:!0,defaultProps:!0,displayName:!0,propTypes:!0},o={$$typeof:!0,compare:!0,defaultProps:!0,displayName:!0,propTypes:!0,type:!0},s={};s[n.ForwardRef]=a,s[n.Memo]=o;function c(e){return n.isMemo(e)?o:s[e.$$typeof]||r}var l=Object.defineProperty,u=Object.getOwnPropertyNames,d=Object.getOwnPropertySymbols,f=Object.getOwnPropertyDescriptor,p=Object.getPrototypeOf,m=Object.prototype;function h(e,t,n){if(typeof t!=`string`){if(m){var r=p(t);r&&r!==m&&h(e,r,n)}var a=u(t);d&&(a=a.concat(d(t)));for(var o=c(e),s=c(t),g=0;g<a.length;++g){var _=a[g];if(!i[_]&&!(n&&n[_])&&!(s&&s[_])&&!(o&&o[_])){var v=f(t,_);try{l(e,_,v)}catch{}}}}return e}t.exports=h})),k=e(f());O();var A=function(e,t){var n=arguments;if(t==null||!r.call(t,`css`))return k.createElement.apply(void 0,n);var a=n.length,o=Array(a);o[0]=i,o[1]=d(e,t);for(var s=2;s<a;s++)o[s]=n[s];return k.createElement.apply(null,o)};(function(e){var t;t||=e.JSX||={}})(A||={});var j=o(function(e,t){var n=e.styles,r=a([n],void 0,k.useContext(u)),i=k.useRef();return x(function(){var e=t.key+`-global`,n=new t.sheet.constructor({key:e,nonce:t.sheet.nonce,container:t.sheet.container,speedy:t.sheet.isSpeedy}),a=!1,o=document.querySelector(`style[data-emotion="`+e+` `+r.name+`"]`);return t.sheet.tags.length&&(n.before=t.sheet.tags[0]),o!==null&&(a=!0,o.setAttribute(`data-emotion`,e),n.hydrate([o])),i.current=[n,a],function(){n.flush()}},[t]),x(function(){var e=i.current,n=e[0];e[1]?e[1]=!1:(r.next!==void 0&&p(t,r.next,!0),n.tags.length&&(n.before=n.tags[n.tags.length-1].nextElementSibling,n.flush()),t.insert(``,r,n,!1))},[t,r.name]),null});function M(){return a([...arguments])}function N(){var e=M.apply(void 0,arguments),t=`animation-`+e.name;return{name:t,styles:`@keyframes `+t+`{`+e.styles+`}`,anim:1,toString:function(){return`_EMO_`+this.name+`_`+this.styles+`_EMO_`}}}var P=T,F=m;function ee(e){try{return e.matches(`:focus-visible`)}catch{}return!1}function te(e){let{focusableWhenDisabled:t,disabled:n,composite:r=!1,tabIndex:i=0,isNativeButton:a}=e,o=r&&t!==!1,s=r&&t===!1;return k.useMemo(()=>{let e={onKeyDown(e){n&&t&&e.key!==`Tab`&&e.preventDefault()}};return r||(e.tabIndex=i,!a&&n&&(e.tabIndex=t?i:-1)),(a&&(t||o)||!a&&n)&&(e[`aria-disabled`]=n),a&&(!t||s)&&(e.disabled=n),e},[r,n,t,o,s,a,i])}var ne={};function re(e){let{nativeButton:t,nativeButtonProp:n,internalNativeButton:r=t,allowInferredHostMismatch:i=!1,disabled:a,type:o,hasFormAction:s=!1,tabIndex:c=0,focusableWhenDisabled:l,stopEventPropagation:u=!1,onBeforeKeyDown:d,onBeforeKeyUp:f}=e,p=k.useRef(null),m=l===!0,h=te({focusableWhenDisabled:m,disabled:a,isNativeButton:t,tabIndex:c}),g=k.useCallback(()=>{let e=p.current;return e==null?t:e.tagName===`BUTTON`||!!(e.tagName===`A`&&e.href)},[t]),_=k.useMemo(()=>{let e=m?{}:{tabIndex:a?-1:c};return t?(e.type=o===void 0&&!s?`button`:o,m||(e.disabled=a)):(e.role=`button`,!m&&a&&(e[`aria-disabled`]=a)),m?{...e,...h}:e},[a,m,h,s,t,c,o]);return{getButtonProps:k.useCallback((e=ne)=>{let{onClick:t,onKeyDown:n,onKeyUp:r,...i}=e,o=e=>{u&&e.stopPropagation(),a?e.preventDefault():t?.(e)},s=e=>{m&&h.onKeyDown(e),a||(d?.(e),n?.(e),e.target!==e.currentTarget||g()||(e.key===` `?e.preventDefault():e.key===`Enter`&&(e.preventDefault(),e.currentTarget.click())))},c=e=>{a||(f?.(e),r?.(e),e.target===e.currentTarget&&!g()&&e.key===` `&&!e.defaultPrevented&&e.currentTarget.click())};return{..._,...i,onClick:o,onKeyDown:s,onKeyUp:c}},[_,a,m,h,g,d,f,u]),rootRef:p}}var I=class e{ref={current:null};shouldMount=!1;mounted=null;didMount=!1;setShouldMount=null;static create(){return new e}static use(){let t=y(e.create).current,[n,r]=k.useState(!1);return t.shouldMount=n,t.setShouldMount=r,k.useEffect(t.mountEffect,[n]),t}mount(){return this.mounted||(this.mounted=L(),this.shouldMount=!0,this.setShouldMount(this.shouldMount)),this.mounted}mountEffect=()=>{this.shouldMount&&!this.didMount&&(this.ref.current!==null&&(this.didMount=!0),this.mounted.resolve())};start(...e){this.mount().then(()=>this.ref.current?.start(...e))}stop(...e){this.mount().then(()=>this.ref.current?.stop(...e))}pulsate(...e){this.mount().then(()=>this.ref.current?.pulsate(...e))}};function ie(){return I.use()}function L(){let e,t,n=new Promise((n,r)=>{e=n,t=r});return n.resolve=e,n.reject=t,n}var R=[];function z(e){k.useEffect(e,R)}var B=class e{static create(){return new e}currentId=null;start(e,t){this.clear(),this.currentId=setTimeout(()=>{this.currentId=null,t()},e)}clear=()=>{this.currentId!==null&&(clearTimeout(this.currentId),this.currentId=null)};disposeEffect=()=>this.clear};function V(){let e=y(B.create).current;return z(e.disposeEffect),e}var H=c();function U(e){let{className:t,classes:n,pulsate:r=!1,rippleX:i,rippleY:a,rippleSize:o,in:c,onExited:l,timeout:u}=e,[d,f]=k.useState(!1),p=V(),m=k.useRef(!1),h=k.useRef(l);h.current=l;let g=l!=null,_=s(t,n.ripple,n.rippleVisible,r&&n.ripplePulsate),v={width:o,height:o,top:-(o/2)+a,left:-(o/2)+i},y=s(n.child,d&&n.childLeaving,r&&n.childPulsate);return!c&&!d&&f(!0),k.useEffect(()=>{!c&&g?m.current||(m.current=!0,p.start(u,()=>{m.current=!1,h.current?.()})):(m.current=!1,p.clear())},[p,g,c,u]),(0,H.jsx)(`span`,{className:_,style:v,children:(0,H.jsx)(`span`,{className:y})})}var W=n(`MuiTouchRipple`,[`root`,`ripple`,`rippleVisible`,`ripplePulsate`,`child`,`childLeaving`,`childPulsate`]),G=550,K={},q=[],ae=()=>{};function J(e,t){let n=new Set(t),r=new Map,i=[];for(let t of e)n.has(t)?i.length>0&&(r.set(t,i),i=[]):i.push(t);let a=[];for(let e of t){let t=r.get(e);t&&a.push(...t),a.push(e)}return a.push(...i),a}function Y({event:e,element:t,center:n}){let r=t?t.getBoundingClientRect():{width:0,height:0,left:0,top:0},i,a;if(n||e===void 0||e.clientX===0&&e.clientY===0||!e.clientX&&!e.touches)i=Math.round(r.width/2),a=Math.round(r.height/2);else{let{clientX:t,clientY:n}=e.touches&&e.touches.length>0?e.touches[0]:e;i=Math.round(t-r.left),a=Math.round(n-r.top)}let o;if(n)o=Math.sqrt((2*r.width**2+r.height**2)/3),o%2==0&&(o+=1);else{let e=Math.max(Math.abs((t?t.clientWidth:0)-i),i)*2+2,n=Math.max(Math.abs((t?t.clientHeight:0)-a),a)*2+2;o=Math.sqrt(e**2+n**2)}return{rippleX:i,rippleY:a,rippleSize:o}}var oe=N`
  0% {
    transform: scale(0);
    opacity: 0.1;
  }

  100% {
    transform: scale(1);
    opacity: 0.3;
  }
`,se=N`
  0% {
    opacity: 1;
  }

  100% {
    opacity: 0;
  }
`,ce=N`
  0% {
    transform: scale(1);
  }

  50% {
    transform: scale(0.92);
  }

  100% {
    transform: scale(1);
  }
`;function X(e){if(e.motion.reducedMotion===`always`)return null;let t=M`
    &.${W.rippleVisible} {
      animation-name: ${oe};
      animation-duration: ${G}ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
    }

    &.${W.ripplePulsate} {
      animation-duration: ${e.transitions.duration.shorter}ms;
    }

    & .${W.childLeaving} {
      animation-name: ${se};
      animation-duration: ${G}ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
    }

    & .${W.childPulsate} {
      animation-name: ${ce};
      animation-duration: 2500ms;
      animation-timing-function: ${e.transitions.easing.easeInOut};
      animation-iteration-count: infinite;
      animation-delay: 200ms;
    }
  `;return e.motion.reducedMotion===`system`?M`
      @media (prefers-reduced-motion: no-preference) {
        ${t}
      }
    `:t}var le=b(`span`,{name:`MuiTouchRipple`,slot:`Root`})({overflow:`hidden`,pointerEvents:`none`,position:`absolute`,zIndex:0,top:0,right:0,bottom:0,left:0,borderRadius:`inherit`}),ue=b(U,{name:`MuiTouchRipple`,slot:`Ripple`})`
  opacity: 0;
  position: absolute;

  &.${W.rippleVisible} {
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
  & .${W.child} {
    opacity: 1;
    display: block;
    width: 100%;
    height: 100%;
    border-radius: 50%;
    background-color: currentColor;
  }

  & .${W.childLeaving} {
    opacity: 0;
  }

  & .${W.childPulsate} {
    position: absolute;
    /* @noflip */
    left: 0px;
    top: 0;
  }

  ${({theme:e})=>X(e)}
`,de=k.forwardRef(function(e,t){let n=h({props:e,name:`MuiTouchRipple`}),r=_(),i=S(r.motion.reducedMotion,!1),{center:a=!1,classes:o=K,className:c,...l}=n,[u,d]=k.useState({items:q,order:q}),f=u.items,p=k.useRef(0),m=k.useRef(null),g=k.useRef(!1);z(()=>(g.current=!0,()=>{g.current=!1})),k.useEffect(()=>{m.current&&=(m.current(),null)},[f]);let v=k.useRef(!1),y=V(),b=k.useRef(null),x=k.useRef(null),C=F(e=>{g.current&&d(t=>{let n=t.items.filter(t=>t.key!==e);return{items:n,order:J(t.order.filter(t=>t!==e),n.filter(e=>!e.exiting).map(e=>e.key))}})}),w=F(e=>{let{pulsate:t,rippleX:n,rippleY:r,rippleSize:i,cb:a}=e,o=p.current;p.current+=1,d(e=>{let a=[...e.items,{key:o,pulsate:t,rippleX:n,rippleY:r,rippleSize:i,exiting:!1}];return{items:a,order:J(e.order,a.filter(e=>!e.exiting).map(e=>e.key))}}),m.current=a}),T=F((e=K,t=K,n=ae)=>{let{pulsate:r=!1,center:i=a||t.pulsate,fakeElement:o=!1}=t;if(e?.type===`mousedown`&&v.current){v.current=!1;return}e?.type===`touchstart`&&(v.current=!0);let{rippleX:s,rippleY:c,rippleSize:l}=Y({event:e,element:o?null:x.current,center:i});e?.touches?b.current===null&&(b.current=()=>{w({pulsate:r,rippleX:s,rippleY:c,rippleSize:l,cb:n})},y.start(80,()=>{b.current&&=(b.current(),null)})):w({pulsate:r,rippleX:s,rippleY:c,rippleSize:l,cb:n})}),E=F(()=>{T(K,{pulsate:!0})}),D=F((e,t)=>{y.clear(),e?.type===`touchend`&&b.current?(b.current(),b.current=null,y.start(0,()=>{D(e,t)})):(b.current=null,d(e=>{let t=e.items.findIndex(e=>!e.exiting);if(t===-1)return e;let n=e.items.slice();return n[t]={...n[t],exiting:!0},{items:n,order:J(e.order,n.filter(e=>!e.exiting).map(e=>e.key))}}),m.current=t)});k.useImperativeHandle(t,()=>({pulsate:E,start:T,stop:D}),[E,T,D]);let O=new Map(f.map(e=>[e.key,e])),A=u.order.map(e=>O.get(e)).filter(Boolean);return(0,H.jsx)(le,{className:s(W.root,o.root,c),ref:x,...l,children:A.map(e=>(0,H.jsx)(ue,{classes:{ripple:s(o.ripple,W.ripple),rippleVisible:s(o.rippleVisible,W.rippleVisible),ripplePulsate:s(o.ripplePulsate,W.ripplePulsate),child:s(o.child,W.child),childLeaving:s(o.childLeaving,W.childLeaving),childPulsate:s(o.childPulsate,W.childPulsate)},timeout:i.shouldReduceMotion?0:G,pulsate:e.pulsate,rippleX:e.rippleX,rippleY:e.rippleY,rippleSize:e.rippleSize,in:!e.exiting,onExited:()=>C(e.key)},e.key))})});function fe(e){return v(`MuiButtonBase`,e)}var Z=n(`MuiButtonBase`,[`root`,`disabled`,`focusVisible`]),pe=e=>{let{disabled:t,focusVisible:n,focusVisibleClassName:r,suppressFocusVisible:i,classes:a}=e,o=l({root:[`root`,t&&`disabled`,n&&!i&&`focusVisible`]},fe,a);return n&&!i&&r&&(o.root+=` ${r}`),o},me=b(`button`,{name:`MuiButtonBase`,slot:`Root`})(g(({theme:e})=>({display:`inline-flex`,alignItems:`center`,justifyContent:`center`,position:`relative`,boxSizing:`border-box`,WebkitTapHighlightColor:`transparent`,backgroundColor:`transparent`,outline:0,border:0,margin:0,borderRadius:0,padding:0,cursor:`pointer`,userSelect:`none`,verticalAlign:`middle`,MozAppearance:`none`,WebkitAppearance:`none`,textDecoration:`none`,color:`inherit`,"&::-moz-focus-inner":{borderStyle:`none`},[`&.${Z.disabled}`]:{pointerEvents:`none`,cursor:`default`},"@media print":{colorAdjust:`exact`},variants:[{props:{internalDisabledThemeFocusVisible:!1},style:e.focusVisible&&{...w,[`&.${Z.focusVisible}`]:e.focusVisible}}]}))),he=k.forwardRef(function(e,t){let n=h({props:e,name:`MuiButtonBase`}),{action:r,centerRipple:i=!1,children:a,className:o,component:c=`button`,disabled:l=!1,disableRipple:u=!1,disableTouchRipple:d=!1,focusRipple:f=!1,focusVisibleClassName:p,focusableWhenDisabled:m,suppressFocusVisible:g=!1,internalNativeButton:_,internalDisabledThemeFocusVisible:v=!1,LinkComponent:y=`a`,nativeButton:b,onBlur:x,onClick:S,onContextMenu:w,onDragLeave:T,onFocus:E,onFocusVisible:D,onKeyDown:O,onKeyUp:A,onMouseDown:j,onMouseLeave:M,onMouseUp:N,onTouchEnd:P,onTouchMove:te,onTouchStart:ne,tabIndex:I=0,TouchRippleProps:L,touchRippleRef:R,type:z,...B}=n,V=!!(B.href||B.to),U=!!B.formAction,W=c;W===`button`&&V&&(W=y);let G=typeof W==`string`?W===`button`:_??!1,K=b??G,q=ie(),ae=C(q.ref,R),[J,Y]=k.useState(!1);(l||g)&&J&&Y(!1);let oe=F(e=>{f&&!e.repeat&&J&&e.key===` `&&q.stop(e,()=>{q.start(e)})}),se=F(e=>{f&&e.key===` `&&J&&!e.defaultPrevented&&q.stop(e,()=>{q.pulsate(e)})}),{getButtonProps:ce,rootRef:X}=re({nativeButton:K,nativeButtonProp:b,internalNativeButton:G,allowInferredHostMismatch:V||typeof W==`string`,disabled:l,type:z,hasFormAction:U,tabIndex:I,onBeforeKeyDown:oe,onBeforeKeyUp:se}),{onClick:le,onKeyDown:ue,onKeyUp:fe,...Z}=ce({onClick:S,onKeyDown:O,onKeyUp:A});k.useImperativeHandle(r,()=>({focusVisible:()=>{Y(!0),X.current.focus()}}),[X]);let he=q.shouldMount&&!u&&!l;k.useEffect(()=>{J&&f&&!u&&q.pulsate()},[u,f,J,q]);let ge=Q(q,`start`,j,d),_e=Q(q,`stop`,w,d),ve=Q(q,`stop`,T,d),ye=Q(q,`stop`,N,d),be=Q(q,`stop`,e=>{J&&e.preventDefault(),M&&M(e)},d),xe=Q(q,`start`,ne,d),Se=Q(q,`stop`,P,d),Ce=Q(q,`stop`,te,d),we=Q(q,`stop`,e=>{ee(e.target)||Y(!1),x&&x(e)},!1),Te=F(e=>{X.current||=e.currentTarget,!g&&ee(e.target)&&(Y(!0),D&&D(e)),E&&E(e)}),$={};V&&($.tabIndex=l?-1:I,l&&($[`aria-disabled`]=l),$.type=z);let Ee=C(t,X),De={...n,centerRipple:i,component:c,disabled:l,disableRipple:u,disableTouchRipple:d,focusRipple:f,suppressFocusVisible:g,tabIndex:I,focusVisible:J,internalDisabledThemeFocusVisible:v},Oe=pe(De);return(0,H.jsxs)(me,{as:W,className:s(Oe.root,o),ownerState:De,onBlur:we,onClick:le,onContextMenu:_e,onFocus:Te,onKeyDown:ue,onKeyUp:fe,onMouseDown:ge,onMouseLeave:be,onMouseUp:ye,onDragLeave:ve,onTouchEnd:Se,onTouchMove:Ce,onTouchStart:xe,ref:Ee,...V?$:Z,...B,children:[a,he?(0,H.jsx)(de,{ref:ae,center:i,...L}):null]})});function Q(e,t,n,r=!1){return F(i=>(n&&n(i),r||e[t](i),!0))}export{j as a,P as i,Z as n,M as o,F as r,N as s,he as t};