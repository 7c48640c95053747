import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "../../api/client";
import { useMay, useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { ConfirmWithImpact } from "../Confirm";
import { Choice, Field } from "../Field";
import parts from "../parts.module.css";
import { toast } from "../toast";
import { type AudienceKind, type NewView, saveView } from "./queries";

/** Keeps the page as it is under a name. Whom it can be shared with follows from what one belongs to and may do. */
export default function SaveView({ page, query, onClose }: { page: string; query: string; onClose: () => void }) {
  const me = useMe();
  const mayShare = useMay("saved_filters:share");
  const mayTeams = useMay("teams:read");
  const mayRoles = useMay("roles:read");
  const [name, setName] = useState("");
  const [audience, setAudience] = useState<AudienceKind>("me");
  const [chosen, setChosen] = useState("");
  const teams = useQuery({ queryKey: ["teams"], queryFn: () => must(api.GET("/api/v1/teams")), enabled: mayTeams && audience === "team" }).data?.items ?? [];
  const allRoles = useQuery({ queryKey: ["roles"], queryFn: () => must(api.GET("/api/v1/roles")), enabled: mayRoles && mayShare && audience === "role" }).data?.items;
  const roles = allRoles ?? me.roles;
  const kinds: AudienceKind[] = ["me", ...(mayTeams ? (["team"] as const) : []), ...(roles.length > 0 ? (["role"] as const) : []), ...(mayShare ? (["everyone"] as const) : [])];
  const options = audience === "team" ? teams.map(({ id, name }) => ({ value: id, label: name })) : roles.map((role) => ({ value: role.id, label: roleName(role) }));
  const id = options.some((option) => option.value === chosen) ? chosen : (options[0]?.value ?? "");
  const withId = audience === "team" || audience === "role";
  const run = async () => {
    const body: NewView = { page, name: name.trim(), query, audience, ...(withId && { audience_id: id }) };
    const made = await saveView(body);
    toast(t("view.saved", { name: made.name }));
  };
  return (
    <ConfirmWithImpact
      open
      onClose={onClose}
      title={t("view.save")}
      text={
        <div className={parts.stack}>
          <p className={parts.muted}>{t("view.save.text")}</p>
          <Field label={t("view.name")} value={name} onValue={setName} required autoFocus />
          <Choice label={t("view.audience")} value={audience} onValue={(value) => setAudience(value as AudienceKind)} options={kinds.map((kind) => ({ value: kind, label: t(`view.audience.${kind}`) }))} />
          {withId && <Choice label={audience === "team" ? t("view.team") : t("view.role")} value={id} onValue={setChosen} options={options} />}
        </div>
      }
      action={t("view.save.action")}
      danger={false}
      ready={name.trim() !== "" && (!withId || id !== "")}
      run={run}
    />
  );
}
