/** Roles that a provider's claims give. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { roleName, t } from "../../i18n";
import { Choice, Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { rolesQuery } from "../users/queries";
import type { Mapping } from "./draft";
import css from "./providers.module.css";

export function Mappings({ mappings, onChange }: { mappings: Mapping[]; onChange: (mappings: Mapping[]) => void }) {
  const roles = useQuery(rolesQuery).data?.items ?? [];
  const options = [{ value: "", label: "–" }, ...roles.map((role) => ({ value: role.id, label: roleName(role) }))];
  const set = (at: number, next: Partial<Mapping>) => onChange(mappings.map((mapping, index) => (index === at ? { ...mapping, ...next } : mapping)));
  return (
    <fieldset className={css.group}>
      <legend>{t("providers.mappings")}</legend>
      <span className={parts.note}>{t("providers.mappingsNote")}</span>
      {mappings.map((mapping, index) => (
        <div key={index} className={css.mapping}>
          <Field label={t("providers.map.claim")} value={mapping.claim} onValue={(claim) => set(index, { claim })} mono />
          <Field label={t("providers.map.value")} value={mapping.value} onValue={(value) => set(index, { value })} mono />
          <Choice label={t("providers.map.role")} value={mapping.role} onValue={(role) => set(index, { role })} options={options} />
          <Button variant="outlined" aria-label={t("providers.map.remove")} onClick={() => onChange(mappings.filter((_, other) => other !== index))}>
            <Icon name="trash" small />
          </Button>
        </div>
      ))}
      <div>
        <Button variant="outlined" startIcon={<Icon name="plus" small />} onClick={() => onChange([...mappings, { claim: "groups", value: "", role: "" }])}>
          {t("providers.map")}
        </Button>
      </div>
    </fieldset>
  );
}
