import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { roleName, t } from "../../i18n";
import { ConfirmWithImpact } from "../Confirm";
import parts from "../parts.module.css";
import { ErrorLine } from "../states";
import { toast } from "../toast";
import { changeView, chooseView, deleteView, type View } from "./queries";
import css from "./views.module.css";

export default function ManageViews({ views, query, onClose }: { views: View[]; query: string; onClose: () => void }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [deleting, setDeleting] = useState<View | null>(null);
  const doing = (act: Promise<unknown>, done?: string) => {
    setProblem(null);
    act.then(() => done && toast(done)).catch((error: unknown) => setProblem(asProblem(error)));
  };
  return (
    <Dialog open onClose={onClose} maxWidth="sm" fullWidth aria-labelledby="views-title">
      <DialogTitle id="views-title">{t("view.manage")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <ErrorLine problem={problem} />
          <ul className={css.views}>
            {views.map((view) => (
              <li key={view.id}>
                <div>
                  <span>{view.name}</span>
                  <small>{whom(view)}</small>
                </div>
                <div className={css.acts}>
                  <Button variant="text" aria-pressed={view.is_default} onClick={() => doing(chooseView(view, !view.is_default))}>
                    {view.is_default ? t("view.notDefault") : t("view.default")}
                  </Button>
                  {view.can.includes("saved_filters.update") && view.query !== query && (
                    <Button variant="text" onClick={() => doing(changeView(view, query), t("view.changed", { name: view.name }))}>{t("view.change")}</Button>
                  )}
                  {view.can.includes("saved_filters.delete") && (
                    <Button variant="text" color="error" onClick={() => setDeleting(view)}>{t("view.delete")}</Button>
                  )}
                </div>
              </li>
            ))}
          </ul>
          {views.length === 0 && <p className={parts.muted}>{t("view.manage.empty")}</p>}
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="outlined" onClick={onClose}>{t("close")}</Button>
      </DialogActions>
      {deleting && (
        <ConfirmWithImpact
          open
          onClose={() => setDeleting(null)}
          title={t("view.delete.title", { name: deleting.name })}
          text={t("view.delete.text")}
          action={t("view.delete")}
          run={() => deleteView(deleting).then(() => toast(t("view.deleted", { name: deleting.name })))}
        />
      )}
    </Dialog>
  );
}

function whom({ audience, owner_name }: View): string {
  const name = audience.kind === "role" && audience.name ? roleName({ name: audience.name }) : audience.name;
  return `${name ?? t(`view.audience.${audience.kind}`)} · ${owner_name}`;
}
