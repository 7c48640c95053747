/** The organization's name, and where its people find the console. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { Organization, Settings } from "../../api/types";
import { queries } from "../../app/queries";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Card, Facts, Id } from "../../parts/basics";
import { Field } from "../../parts/Field";
import css from "../../parts/parts.module.css";
import { ErrorLine, ErrorState, Lines } from "../../parts/states";
import { changeSettings, organizationQuery, rename, settingsQuery } from "./queries";
import { useSaving } from "./useSaving";

export default function General() {
  const organization = useQuery(organizationQuery);
  const settings = useQuery(settingsQuery);
  const error = organization.error ?? settings.error;
  if (error) return <ErrorState problem={asProblem(error)} retry={() => void Promise.all([organization.refetch(), settings.refetch()])} />;
  if (!organization.data || !settings.data) return <Lines count={4} height={44} />;
  // A change from elsewhere begins the form anew.
  return <Form key={`${organization.data.version}-${settings.data.version}`} organization={organization.data} settings={settings.data} />;
}

function Form({ organization, settings }: { organization: Organization; settings: Settings }) {
  const may = useMay("settings:update");
  const [name, setName] = useState(organization.name);
  const [address, setAddress] = useState(settings.general.public_address ?? "");
  const changed = name.trim() !== organization.name || address.trim() !== (settings.general.public_address ?? "");
  const { busy, submit, told, problem } = useSaving(async () => {
    if (name.trim() !== organization.name) queries.setQueryData(organizationQuery.queryKey, await rename(organization, name));
    const wanted = address.trim().replace(/\/+$/, "") || null;
    if (wanted !== (settings.general.public_address ?? null)) queries.setQueryData(settingsQuery.queryKey, await changeSettings(settings, { general: { public_address: wanted } }));
    await queries.invalidateQueries({ queryKey: ["me"] });
  });
  return (
    <Card title={t("settings.section.organization")}>
      <form className={css.stack} onSubmit={submit}>
        <Field label={t("field.name")} value={name} onValue={setName} required disabled={!may} error={told("name")} />
        <Field label={t("settings.address")} type="url" value={address} onValue={setAddress} disabled={!may} placeholder={t("settings.addressExample")} error={told("general.public_address")} note={t("settings.addressNote")} />
        <Facts facts={[[t("settings.id"), <Id key="id" value={organization.id} />]]} />
        <ErrorLine problem={problem} />
        <Save may={may} busy={busy} changed={changed} />
      </form>
    </Card>
  );
}

/** The button of a form; to whoever may not change settings, why there is none. */
export function Save({ may, busy, changed }: { may: boolean; busy: boolean; changed: boolean }) {
  if (!may) return <p className={css.note}>{t("settings.readOnly")}</p>;
  return (
    <div>
      <Button type="submit" variant="contained" loading={busy} disabled={!changed}>{t("settings.save")}</Button>
    </div>
  );
}
