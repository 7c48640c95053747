import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{t}from"./Button-DUnBGSth.js";import{A as n,M as r,R as i,T as a,X as o,d as s,f as c,j as l,p as u,r as d}from"./useReducedMotion-jlUOrx16.js";import{o as f,s as p}from"./ButtonBase-Cn-4Wo4U.js";import{r as m}from"./i18n-CQ2yVYZE.js";import{a as h}from"./basics-DJOKcLGn.js";import{n as g,t as _}from"./Icon-CHnrKS4f.js";function v(e){return String(e).match(/[\d.\-+]*\s*(.*)/)[1]||``}function y(e){return parseFloat(e)}var b=e(o(),1);function x(e){return l(`MuiSkeleton`,e)}n(`MuiSkeleton`,[`root`,`text`,`rectangular`,`rounded`,`circular`,`pulse`,`wave`,`withChildren`,`fitContent`,`heightAuto`]);var S=i(),C=e=>{let{classes:t,variant:n,animation:r,hasChildren:i,width:o,height:s}=e;return a({root:[`root`,n,r,i&&`withChildren`,i&&!o&&`fitContent`,i&&!s&&`heightAuto`]},x,t)},w=p`
  0% {
    opacity: 1;
  }

  50% {
    opacity: 0.4;
  }

  100% {
    opacity: 1;
  }
`,T=p`
  0% {
    transform: translateX(-100%);
  }

  50% {
    /* +0.5s of delay between each loop */
    transform: translateX(100%);
  }

  100% {
    transform: translateX(100%);
  }
`,E=typeof w==`string`?null:f`
        animation: ${w} 2s ease-in-out 0.5s infinite;
      `,D=typeof T==`string`?null:f`
        &::after {
          animation: ${T} 2s linear 0.5s infinite;
        }
      `,O=u(`span`,{name:`MuiSkeleton`,slot:`Root`,overridesResolver:(e,t)=>{let{ownerState:n}=e;return[t.root,t[n.variant],n.animation!==!1&&t[n.animation],n.hasChildren&&t.withChildren,n.hasChildren&&!n.width&&t.fitContent,n.hasChildren&&!n.height&&t.heightAuto]}})(c(({theme:e})=>{let t=v(e.shape.borderRadius)||`px`,n=y(e.shape.borderRadius),r=d(e,{animation:`none`}),i=d(e,{"&::after":{animation:`none`,display:`none`}});return{display:`block`,backgroundColor:e.vars?e.vars.palette.Skeleton.bg:e.alpha(e.palette.text.primary,e.palette.mode===`light`?.11:.13),height:`1.2em`,variants:[{props:{variant:`text`},style:{marginTop:0,marginBottom:0,height:`auto`,transformOrigin:`0 55%`,transform:`scale(1, 0.60)`,borderRadius:`${n}${t}/${Math.round(n/.6*10)/10}${t}`,"&:empty:before":{content:`"\\00a0"`}}},{props:{variant:`circular`},style:{borderRadius:`50%`}},{props:{variant:`rounded`},style:{borderRadius:(e.vars||e).shape.borderRadius}},{props:({ownerState:e})=>e.hasChildren,style:{"& > *":{visibility:`hidden`}}},{props:({ownerState:e})=>e.hasChildren&&!e.width,style:{maxWidth:`fit-content`}},{props:({ownerState:e})=>e.hasChildren&&!e.height,style:{height:`auto`}},{props:{animation:`pulse`},style:E||{animation:`${w} 2s ease-in-out 0.5s infinite`}},...r?[{props:{animation:`pulse`},style:r}]:[],{props:{animation:`wave`},style:{position:`relative`,overflow:`hidden`,WebkitMaskImage:`-webkit-radial-gradient(white, black)`,"&::after":{background:`linear-gradient(
                90deg,
                transparent,
                ${(e.vars||e).palette.action.hover},
                transparent
              )`,content:`""`,position:`absolute`,transform:`translateX(-100%)`,bottom:0,left:0,right:0,top:0}}},{props:{animation:`wave`},style:D||{"&::after":{animation:`${T} 2s linear 0.5s infinite`}}},...i?[{props:{animation:`wave`},style:i}]:[]]}})),k=b.forwardRef(function(e,t){let n=s({props:e,name:`MuiSkeleton`}),{animation:i=`pulse`,className:a,component:o=`span`,height:c,style:l,variant:u=`text`,width:d,...f}=n,p={...n,animation:i,component:o,variant:u,hasChildren:!!f.children},m=C(p);return(0,S.jsx)(O,{as:o,ref:t,className:r(m.root,a),ownerState:p,...f,style:{width:d,height:c,...l}})});function A({icon:e,title:t,text:n,children:r,heading:i=`h2`}){return(0,S.jsxs)(`div`,{className:g.state,children:[(0,S.jsx)(`span`,{className:g.stateIcon,children:(0,S.jsx)(_,{name:e})}),(0,S.jsx)(i,{children:t}),(0,S.jsx)(`p`,{children:n}),r&&(0,S.jsx)(`div`,{className:g.stateActions,children:r})]})}function j(e){return e.offline?[`error.offline.title`,`error.offline.text`,`warn`]:e.status===403?[`error.forbidden.title`,`error.forbidden.text`,`ban`]:e.status===404||e.status===410?[`error.missing.title`,`error.missing.text`,`search`]:[`error.failed.title`,`error.failed.text`,`warn`]}function M({problem:e,retry:n}){let[r,i,a]=j(e);return(0,S.jsxs)(`div`,{className:g.state,role:`alert`,children:[(0,S.jsx)(`span`,{className:g.stateIcon,children:(0,S.jsx)(_,{name:a})}),(0,S.jsx)(`h2`,{children:m(r)}),(0,S.jsx)(`p`,{children:m(i)}),!e.offline&&e.status!==403&&(0,S.jsx)(`p`,{className:g.small,children:e.message}),e.traceId&&(0,S.jsxs)(`p`,{className:g.row,children:[(0,S.jsx)(`span`,{className:g.small,children:m(`error.trace`)}),(0,S.jsx)(h,{value:e.traceId})]}),n&&(0,S.jsx)(`div`,{className:g.stateActions,children:(0,S.jsx)(t,{variant:`outlined`,onClick:n,startIcon:(0,S.jsx)(_,{name:`refresh`,small:!0}),children:m(`error.retry`)})})]})}function N({problem:e}){return e?(0,S.jsxs)(`p`,{className:g.fieldError,role:`alert`,children:[e.offline?m(`error.offline.text`):e.message,e.retryAfter!==null&&` ${m(`error.retryAfter`,{n:e.retryAfter})}`,e.traceId&&` (${e.traceId})`]}):null}function P({count:e,height:t=20}){return(0,S.jsx)(`div`,{className:g.stack,"aria-busy":`true`,"aria-label":m(`loading`),role:`status`,children:Array.from({length:e},(e,n)=>(0,S.jsx)(k,{variant:`rounded`,height:t},n))})}export{k as a,P as i,N as n,M as r,A as t};