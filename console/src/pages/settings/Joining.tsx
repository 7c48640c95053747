/** How people come: by invitation, or by signing themselves up. */
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { Settings } from "../../api/types";
import { queries } from "../../app/queries";
import { useMay } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { Card } from "../../parts/basics";
import { Choice, Field } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { rolesQuery } from "../users/queries";
import { Save } from "./General";
import { changeSettings, settingsQuery } from "./queries";
import { useSaving } from "./useSaving";

export default function Joining() {
  const { data, error, refetch } = useQuery(settingsQuery);
  if (error) return <ErrorState problem={asProblem(error)} retry={() => void refetch()} />;
  if (!data) return <Lines count={4} height={44} />;
  return (
    <>
      <Invitations key={`i${data.version}`} settings={data} />
      <SignUp key={`s${data.version}`} settings={data} />
    </>
  );
}

const keep = (settings: Settings) => queries.setQueryData(settingsQuery.queryKey, settings);

function Invitations({ settings }: { settings: Settings }) {
  const may = useMay("settings:update");
  const [days, setDays] = useState(String(settings.invitations.days));
  const { busy, submit, told, problem } = useSaving(async () => keep(await changeSettings(settings, { invitations: { days: Number(days) } })));
  return (
    <Card title={t("settings.invitations")}>
      <form className={css.stack} onSubmit={submit}>
        <Field label={t("settings.days")} type="number" value={days} onValue={setDays} required disabled={!may} error={told("invitations.days")} note={t("settings.daysNote")} />
        <ErrorLine problem={problem} />
        <Save may={may} busy={busy} changed={Number(days) !== settings.invitations.days} />
      </form>
    </Card>
  );
}

/** One domain a line, or with commas between. */
const domainsOf = (text: string): string[] => [...new Set(text.toLowerCase().split(/[\s,]+/).filter(Boolean))];

function SignUp({ settings }: { settings: Settings }) {
  const may = useMay("settings:update");
  const roles = useQuery({ ...rolesQuery, enabled: useMay("roles:read") }).data?.items ?? [];
  const before = settings.sign_up;
  const [open, setOpen] = useState(before.open);
  const [domains, setDomains] = useState(before.domains.join("\n"));
  const [role, setRole] = useState(before.role ?? "");
  const wanted = { open, domains: domainsOf(domains), role: role || null };
  const changed = open !== before.open || wanted.domains.join() !== before.domains.join() || wanted.role !== (before.role ?? null);
  const { busy, submit, told, problem } = useSaving(async () => keep(await changeSettings(settings, { sign_up: wanted })));
  return (
    <Card title={t("settings.signUp")}>
      <form className={css.stack} onSubmit={submit}>
        <FormControlLabel disabled={!may} control={<Checkbox checked={open} onChange={(event) => setOpen(event.target.checked)} />} label={t("settings.signUp.open")} />
        <Field label={t("settings.signUp.domains")} value={domains} onValue={setDomains} multiline minRows={2} mono disabled={!may} error={told("sign_up.domains")} note={t("settings.signUp.domainsNote")} />
        {roles.length > 0 && (
          <Choice label={t("settings.signUp.role")} value={role} onValue={setRole} disabled={!may} error={told("sign_up.role") ?? told("roles")} options={[{ value: "", label: t("settings.signUp.noRole") }, ...roles.map((one) => ({ value: one.id, label: roleName(one) }))]} />
        )}
        <ErrorLine problem={problem} />
        <Save may={may} busy={busy} changed={changed} />
      </form>
    </Card>
  );
}
