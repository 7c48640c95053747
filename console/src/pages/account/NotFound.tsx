import Button from "@mui/material/Button";
import { Link } from "@tanstack/react-router";
import { t } from "../../i18n";
import page from "../signin/signin.module.css";
import { EmptyState } from "../../parts/states";

export default function NotFound() {
  return (
    <main className={page.page}>
      <EmptyState heading="h1" icon="search" title={t("notfound.title")} text={t("notfound.text")}>
        <Button variant="outlined" component={Link} to="/">
          {t("notfound.action")}
        </Button>
      </EmptyState>
    </main>
  );
}
