/** A button that says why it is off. While it is off it keeps the focus and its place, so that the reason can be read by all. */
import Button, { type ButtonProps } from "@mui/material/Button";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useId } from "react";
import { Hint } from "./basics";
import css from "./parts.module.css";
import { toast } from "./toast";

interface Props extends Pick<ButtonProps, "variant" | "color" | "startIcon" | "children" | "loading" | "type"> {
  onClick?: (event: React.MouseEvent<HTMLButtonElement>) => void;
  /** The page it leads to, where it is a link. */
  to?: LinkProps["to"];
  search?: Record<string, string>;
  /** Why not; null: it can be pressed. */
  why: string | null;
}

export function Act({ why, onClick, to, search, ...button }: Props) {
  const id = useId();
  if (why === null && to) return <Button {...button} component={Link} to={to} search={search as never} />;
  if (why === null) return <Button {...button} onClick={onClick} />;
  // A finger hovers over nothing: whoever presses it all the same is told why not.
  const stop = (event: React.MouseEvent) => {
    event.preventDefault();
    toast(why);
  };
  return (
    <Hint text={why}>
      <Button {...button} variant="outlined" color="inherit" aria-disabled="true" aria-describedby={id} className={css.off} onClick={stop} />
      <span id={id} className="visually-hidden">{why}</span>
    </Hint>
  );
}
