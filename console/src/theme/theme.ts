/**
 * Material-UI dressed in the tokens. Part of the token sheet: colours are the sheet's custom properties, so the
 * scheme changes by one attribute on <html> and nothing renders again.
 */
import { createTheme } from "@mui/material/styles";

const paper = { backgroundImage: "none", backgroundColor: "var(--raised)", boxShadow: "var(--float)", border: "1px solid var(--line)" };

/** A finger needs more than the 32 pixels that are drawn: what is around the control belongs to it. */
const touch = { "@media (pointer: coarse)": { "&::after": { content: '""', position: "absolute", inset: "-6px" } } };
/** Phones zoom into fields with smaller letters. */
const readable = { "@media (pointer: coarse)": { fontSize: "var(--touch-text)" } };

export const theme = createTheme({
  cssVariables: { nativeColor: true, cssVarPrefix: "m" },
  palette: {
    primary: { main: "var(--accent)", dark: "var(--accent-strong)", light: "var(--accent)", contrastText: "var(--on-accent)" },
    error: { main: "var(--bad)", dark: "var(--bad)", light: "var(--bad)", contrastText: "var(--on-accent)" },
    warning: { main: "var(--warn)", contrastText: "var(--on-accent)" },
    success: { main: "var(--ok)", contrastText: "var(--on-accent)" },
    info: { main: "var(--info)", contrastText: "var(--on-accent)" },
    background: { default: "var(--canvas)", paper: "var(--surface)" },
    text: { primary: "var(--text)", secondary: "var(--muted)", disabled: "var(--faint)" },
    divider: "var(--line)",
    action: { active: "var(--muted)", hover: "var(--hover)", selected: "var(--accent-tint)", focus: "var(--accent-tint)", disabled: "var(--faint)", disabledBackground: "var(--idle-tint)" },
  },
  shape: { borderRadius: 6 },
  typography: {
    fontFamily: "var(--font)",
    fontSize: 13,
    body1: { font: "var(--type-body)" },
    body2: { font: "var(--type-body)" },
    button: { font: "var(--type-strong)", fontWeight: 600, textTransform: "none", letterSpacing: 0 },
  },
  transitions: { duration: { enteringScreen: 180, leavingScreen: 120, shortest: 120, shorter: 120, short: 120, standard: 180, complex: 180 } },
  components: {
    MuiButtonBase: { defaultProps: { disableRipple: true } },
    MuiButton: {
      defaultProps: { disableElevation: true, size: "small" },
      styleOverrides: {
        root: { ...touch, height: 32, minWidth: 0, padding: "0 12px", whiteSpace: "nowrap", "&.Mui-focusVisible": { outline: "2px solid var(--accent)", outlineOffset: 1 } },
        startIcon: { marginRight: 6 },
        outlined: { borderColor: "var(--line-strong)", color: "var(--text)", backgroundColor: "var(--surface)", "&:hover": { borderColor: "var(--line-strong)", backgroundColor: "var(--hover)" } },
        text: { color: "var(--text)", "&:hover": { backgroundColor: "var(--hover)" } },
      },
      variants: [
        { props: { variant: "outlined", color: "error" }, style: { color: "var(--bad)", borderColor: "var(--bad)", "&:hover": { borderColor: "var(--bad)", backgroundColor: "var(--bad-tint)" } } },
        { props: { variant: "text", color: "primary" }, style: { color: "var(--text)" } },
        { props: { variant: "text", color: "error" }, style: { color: "var(--bad)", "&:hover": { backgroundColor: "var(--bad-tint)" } } },
      ],
    },
    MuiIconButton: { defaultProps: { size: "small" }, styleOverrides: { root: { ...touch, width: 32, height: 32, borderRadius: 6, color: "var(--muted)", "&:hover": { backgroundColor: "var(--hover)", color: "var(--text)" }, "&.Mui-focusVisible": { outline: "2px solid var(--accent)" } } } },
    MuiOutlinedInput: {
      defaultProps: { size: "small" },
      styleOverrides: {
        root: {
          minHeight: 32, backgroundColor: "var(--surface)", font: "var(--type-body)",
          "& fieldset": { borderColor: "var(--line-strong)" },
          "&.Mui-disabled": { backgroundColor: "var(--idle-tint)" },
          "&.Mui-disabled .MuiOutlinedInput-notchedOutline": { borderColor: "var(--line)" },
          "&:hover:not(.Mui-disabled, .Mui-error, .Mui-focused) .MuiOutlinedInput-notchedOutline": { borderColor: "var(--faint)" },
          "&.Mui-focused .MuiOutlinedInput-notchedOutline": { borderColor: "var(--accent)", borderWidth: 2 },
        },
        input: { ...readable, padding: "5px 10px", height: 22, "&::placeholder": { color: "var(--faint)", opacity: 1 } },
        multiline: { padding: "5px 10px", "& textarea": { padding: 0, height: "auto" } },
        adornedStart: { paddingLeft: 8, "& > svg": { color: "var(--faint)" } },
      },
    },
    MuiCheckbox: { defaultProps: { size: "small" }, styleOverrides: { root: { padding: 6, color: "var(--faint)", "&.Mui-focusVisible": { outline: "2px solid var(--accent)", outlineOffset: -4 } } } },
    // The box stands below the edge of the fields, not beside it.
    MuiFormControlLabel: { styleOverrides: { root: { marginLeft: -8 } } },
    // A form between the paper and its parts: what is long scrolls, and the buttons stay in sight.
    MuiDialog: { styleOverrides: { container: { outline: 0 }, paper: { ...paper, outline: 0, borderRadius: 12, margin: 16, width: "calc(100% - 32px)", "& > form": { display: "flex", flexDirection: "column", minHeight: 0 } } } },
    MuiDialogTitle: { styleOverrides: { root: { font: "var(--type-section)", padding: "16px 20px 12px" } } },
    MuiDialogContent: { styleOverrides: { root: { padding: "8px 20px 16px" } } },
    MuiDialogActions: { styleOverrides: { root: { padding: "12px 20px 16px" } } },
    MuiDrawer: { styleOverrides: { paper: { backgroundImage: "none", backgroundColor: "var(--surface)", boxShadow: "var(--float)" } } },
    MuiBackdrop: { styleOverrides: { root: { "&:not(.MuiBackdrop-invisible)": { backgroundColor: "var(--scrim)" } } } },
    MuiMenu: { styleOverrides: { paper: { ...paper, borderRadius: 10 }, list: { padding: 4 } } },
    MuiMenuItem: { styleOverrides: { root: { font: "var(--type-body)", minHeight: 32, borderRadius: 6, gap: 8, padding: "4px 10px", "& .MuiListItemIcon-root": { minWidth: 18 }, "&:hover, &.Mui-focusVisible": { backgroundColor: "var(--hover)" }, "&.Mui-selected, &.Mui-selected:hover": { backgroundColor: "var(--accent-tint)", color: "var(--accent-text)" } } } },
    MuiListItemIcon: { styleOverrides: { root: { color: "inherit" } } },
    MuiTabs: { styleOverrides: { root: { minHeight: 40 }, indicator: { height: 2 } } },
    MuiTab: { styleOverrides: { root: { minHeight: 40, minWidth: 0, padding: "0 12px", font: "var(--type-strong)", textTransform: "none", color: "var(--muted)", "&.Mui-selected": { color: "var(--text)" }, "&.Mui-focusVisible": { outline: "2px solid var(--accent)", outlineOffset: -2 } } } },
    MuiSkeleton: { defaultProps: { animation: false }, styleOverrides: { root: { backgroundColor: "var(--idle-tint)" } } },
    // Material-UI works these colours out once, for one scheme: named here they follow the scheme.
    MuiAlert: {
      styleOverrides: {
        root: {
          font: "var(--type-body)", borderRadius: 6, padding: "4px 12px",
          ...Object.fromEntries([["Error", "bad"], ["Warning", "warn"], ["Info", "info"], ["Success", "ok"]].map(([severity, tone]) => [`&.MuiAlert-color${severity}`, { backgroundColor: `var(--${tone}-tint)`, color: `var(--${tone})` }])),
        },
      },
    },
    MuiFormHelperText: { styleOverrides: { root: { margin: "4px 0 0", font: "var(--type-small)" } } },
  },
});
