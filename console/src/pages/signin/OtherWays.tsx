import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, must } from "../../api/client";
import { t } from "../../i18n";
import css from "./signin.module.css";

/** For whoever has no password, or not any more. */
export function OtherWays() {
  const open = useQuery({ queryKey: ["sign_up"], queryFn: () => must(api.GET("/api/v1/auth/sign_up")), retry: false }).data?.open;
  return (
    <p className={css.ways}>
      <Link to="/forgot-password">{t("signin.forgot")}</Link>
      {open && <Link to="/sign-up">{t("signin.signUp")}</Link>}
    </p>
  );
}
