/** Everything about one person: in the inspector and as a page of its own. */
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Tab from "@mui/material/Tab";
import Tabs from "@mui/material/Tabs";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { User } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Face, Raw, StatePill } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";
import { ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import { ban, remove, resetPassword, unban } from "./acts";
import { Profile } from "./Profile";
import { sessionsQuery, userQuery } from "./queries";
import { ActivityTab, SessionsTab } from "./tabs";
import css from "./users.module.css";

export default function UserDetail({ id, tab, onTab }: { id: string; tab: string; onTab: (tab: string) => void }) {
  const query = useQuery(userQuery(id));
  const user = query.data;
  const maySessions = useMay("sessions:read");
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  if (!user) return <div className={css.tab}><Lines count={8} height={28} /></div>;
  const tabs = ["profile", ...(maySessions ? ["sessions"] : []), "activity", "raw"];
  const shown = tabs.includes(tab) ? tab : "profile";
  return (
    <article aria-label={user.name}>
      <div className={css.who}>
        <Face name={user.name} id={user.id} />
        <div>
          <b>{user.name}</b>
          <small>{user.masked?.includes("email") ? t("masked") : user.email}</small>
        </div>
        <StatePill state={user.status} />
      </div>
      <Acts user={user} />
      <Tabs className={css.tabBar} value={shown} onChange={(_, value: string) => onTab(value)} aria-label={t("user.title")} variant="scrollable" scrollButtons={false}>
        {tabs.map((name) => (
          <Tab key={name} value={name} id={`tab-${name}`} aria-controls="tab-panel" label={t(`tab.${name}` as "tab.profile")} />
        ))}
      </Tabs>
      <div className={css.tab} role="tabpanel" id="tab-panel" aria-labelledby={`tab-${shown}`}>
        {shown === "profile" && <Profile user={user} />}
        {shown === "sessions" && <SessionsTab id={id} />}
        {shown === "activity" && <ActivityTab id={id} />}
        {shown === "raw" && <Raw value={user} />}
      </div>
    </article>
  );
}

type Asked = "ban" | "unban" | "reset" | "delete" | null;

function Acts({ user }: { user: User }) {
  const [asked, setAsked] = useState<Asked>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const may = (act: string) => user.can?.includes(act) ?? false;
  const impact = useImpact(user.id, asked);
  const close = () => setAsked(null);
  if (user.gone) return <p className={css.acts}>{t("user.gone")}</p>;
  const banned = user.status === "banned";
  return (
    <div className={css.acts}>
      {!banned && may("users.ban") && <Button variant="outlined" color="error" onClick={() => setAsked("ban")}>{t("act.ban")}</Button>}
      {banned && (may("users.unban") || may("users.ban")) && <Button variant="outlined" onClick={() => setAsked("unban")}>{t("act.unban")}</Button>}
      {may("users.reset_password") && <Button variant="outlined" onClick={() => setAsked("reset")}>{t("act.reset")}</Button>}
      {may("users.delete") && <Button variant="outlined" color="error" onClick={() => setAsked("delete")}>{t("act.delete")}</Button>}
      <ConfirmWithImpact open={asked === "ban"} onClose={close} title={t("ban.title", { name: user.name })} text={t("ban.text")} impact={impact} reason={t("ban.reason")} action={t("act.ban")} run={(reason) => ban(user, reason)} />
      <ConfirmWithImpact open={asked === "unban"} onClose={close} title={t("unban.title", { name: user.name })} text={t("unban.text")} action={t("act.unban")} danger={false} run={() => unban(user)} />
      <ConfirmWithImpact open={asked === "delete"} onClose={close} title={t("delete.title", { name: user.name })} text={t("delete.text")} impact={impact} action={t("act.delete")} run={() => remove(user).then(() => toast(t("delete.done", { name: user.name })))} />
      <ConfirmWithImpact open={asked === "reset"} onClose={close} title={t("reset.title", { name: user.name })} text={t("reset.text")} impact={impact} action={t("act.reset")} run={async () => setSecret(await resetPassword(user))} />
      <Dialog open={secret !== null} onClose={() => setSecret(null)} maxWidth="xs" fullWidth aria-labelledby="secret-title">
        <DialogTitle id="secret-title">{t("reset.doneTitle")}</DialogTitle>
        <DialogContent>
          <div className={parts.stack}>
            <p className={parts.muted}>{t("reset.doneText", { name: user.name })}</p>
            <p className={parts.secret}>{secret}</p>
          </div>
        </DialogContent>
        <DialogActions>
          <Button variant="text" onClick={() => void navigator.clipboard.writeText(secret ?? "").then(() => toast(t("id.copied")))}>{t("copy")}</Button>
          <Button variant="contained" onClick={() => setSecret(null)}>{t("close")}</Button>
        </DialogActions>
      </Dialog>
    </div>
  );
}

/** What the act ends, as a number where this viewer may know it. */
function useImpact(id: string, asked: Asked): string | undefined {
  const maySessions = useMay("sessions:read");
  const { data } = useQuery({ ...sessionsQuery(id), enabled: maySessions && asked !== null && asked !== "unban" });
  if (data) return t("impact.sessions", { n: data.items.length });
  return maySessions ? t("impact.counting") : t("impact.unknown");
}
