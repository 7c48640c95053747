/** My second factors: what I have, what I add and remove, and the codes for the day they are gone. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import type { Factor } from "../../api/types";
import { queries } from "../../app/queries";
import { factorsQuery, newRecoveryCodes, ownSetup, removeFactor, renameFactor } from "../../auth/factors";
import { t } from "../../i18n";
import "../../i18n/factors";
import { Card, Time } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorLine, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { Enroll } from "../factors/Enroll";
import css from "../factors/factors.module.css";
import { RecoveryCodes } from "../factors/RecoveryCodes";

type Asked = { is: "add" } | { is: "remove" | "rename"; factor: Factor } | { is: "codes" } | { is: "shown"; codes: string[] } | null;

const readAgain = () => queries.invalidateQueries({ queryKey: factorsQuery.queryKey });

export function Factors() {
  const { data, error, isPending, refetch } = useQuery(factorsQuery);
  const [asked, setAsked] = useState<Asked>(null);
  const close = () => setAsked(null);
  if (isPending) return <Card title={t("factors.title")}><Lines count={2} height={44} /></Card>;
  if (!data) return <ErrorState problem={asProblem(error)} retry={() => void refetch()} />;
  const { items, recovery_codes: left, demanded } = data;
  const last = items.length === 1;
  const added = async (codes: string[]) => {
    await readAgain();
    setAsked(codes.length > 0 ? { is: "shown", codes } : null);
  };
  const remove = async (factor: Factor) => {
    await removeFactor(factor.id);
    toast(t("factors.removed", { name: factor.name }));
    await readAgain();
  };
  return (
    <>
      <Card title={t("factors.title")} flush aside={<Button variant="outlined" startIcon={<Icon name="plus" small />} onClick={() => setAsked({ is: "add" })}>{t("factors.add")}</Button>}>
        {items.length === 0 ? (
          <EmptyState icon="key" title={t("factors.none.title")} text={t("factors.none.text")} heading="h2" />
        ) : (
          <ul className={css.list} aria-label={t("factors.title")}>
            {items.map((factor) => (
              <li key={factor.id}>
                <span className={css.what}>
                  <strong>{factor.name}</strong>
                  <small>
                    {t(`factors.kind.${factor.kind}`)}
                    {factor.site && ` · ${factor.site}`} · {factor.last_used_at ? <>{t("factors.used")} <Time at={factor.last_used_at} /></> : t("factors.never")}
                  </small>
                </span>
                <Button variant="text" onClick={() => setAsked({ is: "rename", factor })}>{t("factors.rename")}</Button>
                <Button variant="text" color="error" disabled={last && demanded} onClick={() => setAsked({ is: "remove", factor })}>{t("factors.remove")}</Button>
              </li>
            ))}
            <li>
              <span className={css.what}>
                <strong>{t("factors.codes.title")}</strong>
                <small>{t("factors.codes.left", { n: left })}</small>
              </span>
              <Button variant="text" onClick={() => setAsked({ is: "codes" })}>{t("factors.codes.make")}</Button>
            </li>
          </ul>
        )}
        {last && demanded && <p className={`${parts.note} ${css.demanded}`}>{t("factors.demanded")}</p>}
      </Card>
      {asked?.is === "add" && <Titled title={t("factors.add.title")} onClose={close}><Enroll setup={ownSetup} onDone={(codes) => void added(codes)} /></Titled>}
      {asked?.is === "shown" && <Titled title={t("factors.codes.title")}><RecoveryCodes codes={asked.codes} onDone={close} /></Titled>}
      {asked?.is === "rename" && <Rename factor={asked.factor} onClose={close} />}
      {asked?.is === "remove" && (
        <ConfirmWithImpact open onClose={close} title={t("factors.remove.title", { name: asked.factor.name })} text={t(last ? "factors.remove.last" : "factors.remove.text")} action={t("factors.remove")} run={() => remove(asked.factor)} />
      )}
      <ConfirmWithImpact
        open={asked?.is === "codes"}
        onClose={() => setAsked((now) => (now?.is === "codes" ? null : now))}
        title={t("factors.codes.makeTitle")}
        text={t("factors.codes.makeText")}
        action={t("factors.codes.make")}
        run={() => newRecoveryCodes().then(added)}
      />
    </>
  );
}

/** Without a way to close it: what is in it says when it is over. */
function Titled({ title, onClose, children }: { title: string; onClose?: () => void; children: ReactNode }) {
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="factor-title">
      <DialogTitle id="factor-title">{title}</DialogTitle>
      <DialogContent>{children}</DialogContent>
      {onClose && (
        <DialogActions>
          <Button variant="text" onClick={onClose}>{t("cancel")}</Button>
        </DialogActions>
      )}
    </Dialog>
  );
}

function Rename({ factor, onClose }: { factor: Factor; onClose: () => void }) {
  const [name, setName] = useState(factor.name);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await renameFactor(factor.id, name);
      await readAgain();
      onClose();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog open onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="rename-title">
      <form onSubmit={submit}>
        <DialogTitle id="rename-title">{t("factors.rename.title", { name: factor.name })}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <Field label={t("factors.name")} value={name} onValue={setName} autoFocus required />
            <ErrorLine problem={problem} />
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={onClose} disabled={busy}>{t("cancel")}</Button>
          <Button type="submit" variant="contained" loading={busy} disabled={name.trim() === ""}>{t("factors.rename")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
