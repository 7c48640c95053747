/** What may be done to one person: the same acts as buttons in the detail and as the menu of a row (`.`). */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { User } from "../../api/types";
import { actAs } from "../../auth/acting";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/people";
import "../../i18n/custody";
import type { MenuAction } from "../../parts/ActionMenu";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { copy } from "../../parts/copy";
import parts from "../../parts/parts.module.css";
import { RowMenu } from "../../parts/RowMenu";
import { toast } from "../../parts/toast";
import { told } from "../../parts/undo";
import { ban, remove, resetFactors, resetPassword, unban } from "./acts";
import { erase, gather } from "./custody";
import { sessionsQuery } from "../sessions/queries";

type Asked = "ban" | "unban" | "reset" | "factors" | "delete" | "actAs" | "gather" | "erase" | null;

interface Acts {
  acts: MenuAction[];
  /** The dialogs behind the acts; to be rendered beside them. */
  questions: ReactNode;
  /** Whether one of them is open. */
  asking: boolean;
}

export function useUserActs(user: User): Acts {
  const [asked, setAsked] = useState<Asked>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const may = (act: string) => user.can?.includes(act) ?? false;
  const impact = useImpact(user.id, asked);
  const close = () => setAsked(null);
  const banned = user.status === "banned";
  const act = (id: Exclude<Asked, null | "actAs" | "gather" | "erase">, icon: MenuAction["icon"], danger = false): MenuAction => ({ id, label: t(`act.${id}`), icon, danger, run: () => setAsked(id) });
  const acts: MenuAction[] = [];
  if (!user.gone) {
    if (!banned && may("users.ban")) acts.push(act("ban", "ban", true));
    if (banned && (may("users.unban") || may("users.ban"))) acts.push(act("unban", "check"));
    if (may("users.impersonate")) acts.push({ id: "actAs", label: t("act.actAs"), icon: "account", run: () => setAsked("actAs") });
    if (may("users.reset_password")) acts.push(act("reset", "key"));
    if (may("users.reset_factors")) acts.push(act("factors", "key"));
    if (may("users.delete")) acts.push(act("delete", "trash", true));
    if (may("personal_data.export")) acts.push({ id: "gather", label: t("act.gather"), icon: "download", run: () => setAsked("gather") });
    if (may("users.erase")) acts.push({ id: "erase", label: t("act.erase"), icon: "trash", danger: true, run: () => setAsked("erase") });
  }
  const { name } = user;
  const doBan = async (reason: string) => {
    await ban(user, reason);
    told({ done: t("ban.done", { name }), run: () => unban(user) });
  };
  const doUnban = async () => {
    const reason = user.ban_reason;
    await unban(user);
    if (reason) told({ done: t("unban.done", { name }), run: () => ban(user, reason) });
    else toast(t("unban.done", { name }));
  };
  const questions = (
    <>
      <ConfirmWithImpact open={asked === "ban"} onClose={close} title={t("ban.title", { name })} text={t("ban.text")} impact={impact} reason={t("ban.reason")} action={t("act.ban")} run={doBan} />
      <ConfirmWithImpact open={asked === "unban"} onClose={close} title={t("unban.title", { name })} text={t("unban.text")} action={t("act.unban")} danger={false} run={doUnban} />
      <ConfirmWithImpact open={asked === "delete"} onClose={close} title={t("delete.title", { name })} text={t("delete.text")} impact={impact} action={t("act.delete")} run={() => remove(user).then(() => toast(t("delete.done", { name })))} />
      <ConfirmWithImpact open={asked === "reset"} onClose={close} title={t("reset.title", { name })} text={t("reset.text")} impact={impact} action={t("act.reset")} run={async () => setSecret(await resetPassword(user))} />
      <ConfirmWithImpact open={asked === "factors"} onClose={close} title={t("factorsReset.title", { name })} text={t("factorsReset.text")} action={t("act.factors")} run={() => resetFactors(user).then(() => toast(t("factorsReset.done", { name })))} />
      <ConfirmWithImpact open={asked === "actAs"} onClose={close} title={t("act.actAs.title", { name })} text={t("act.actAs.text")} reason={t("ban.reason")} reasonNote={t("acting.reasonNote")} action={t("act.actAs")} run={(reason) => actAs(user.id, reason)} />
      <ConfirmWithImpact open={asked === "gather"} onClose={close} title={t("gather.title", { name })} text={t("gather.text")} action={t("act.gather")} danger={false} run={() => gather(user.id).then(() => toast(t("gather.begun")))} />
      <ConfirmWithImpact open={asked === "erase"} onClose={close} title={t("erase.title", { name })} text={t("erase.text")} impact={impact} reason={t("ban.reason")} reasonNote={t("erase.reasonNote")} action={t("act.erase")} run={(reason) => erase(user.id, reason).then(() => toast(t("erase.begun", { name })))} />
      <Secret secret={secret} name={name} onClose={() => setSecret(null)} />
    </>
  );
  return { acts, questions, asking: asked !== null || secret !== null };
}

function Secret({ secret, name, onClose }: { secret: string | null; name: string; onClose: () => void }) {
  return (
    <Dialog open={secret !== null} onClose={onClose} maxWidth="xs" fullWidth aria-labelledby="secret-title">
      <DialogTitle id="secret-title">{t("reset.doneTitle")}</DialogTitle>
      <DialogContent>
        <div className={parts.stack}>
          <p className={parts.muted}>{t("reset.doneText", { name })}</p>
          <p className={parts.secret} data-testid="secret">{secret}</p>
        </div>
      </DialogContent>
      <DialogActions>
        <Button variant="text" onClick={() => void copy(secret ?? "")}>{t("copy")}</Button>
        <Button variant="contained" onClick={onClose}>{t("close")}</Button>
      </DialogActions>
    </Dialog>
  );
}

/** The acts of a row, as a menu beside it. `open` leads the list of what can be done. */
export default function UserMenu({ user, anchor, onOpen, onDone }: { user: User; anchor: HTMLElement; onOpen: () => void; onDone: () => void }) {
  const { acts, questions, asking } = useUserActs(user);
  const open: MenuAction = { id: "open", label: t("act.open"), icon: "expand", run: onOpen };
  return <RowMenu anchor={anchor} actions={[open, ...acts]} questions={questions} asking={asking} onDone={onDone} />;
}

/** What the act ends, as a number where this viewer may know it. */
function useImpact(id: string, asked: Asked): string | undefined {
  const maySessions = useMay("sessions:read");
  const { data } = useQuery({ ...sessionsQuery(id), enabled: maySessions && asked !== null && asked !== "unban" && asked !== "actAs" && asked !== "gather" });
  if (data) return t("impact.sessions", { n: data.items.length });
  return maySessions ? t("impact.counting") : t("impact.unknown");
}
