/** One more thing to be said of a person. What the viewer does not hold can be denied, not granted, and that is said. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Statement } from "../../api/types";
import { useMe } from "../../auth/session";
import { t } from "../../i18n";
import { Choice } from "../../parts/Field";
import { type Says, statementOf } from "../roles/model";
import { permissionsQuery, type Single } from "../roles/queries";
import { saysWords } from "../roles/words";
import css from "./access.module.css";
import type { Row } from "./queries";
import { RowPicker } from "./RowPicker";

type Kind = Says | "grantRow" | "denyRow";

export function AddStatement({ onAdd }: { onAdd: (statement: Statement | null, single: Single | null) => void }) {
  const me = useMe();
  const permissions = useQuery(permissionsQuery).data ?? [];
  const [permission, setPermission] = useState("");
  const [kind, setKind] = useState<Kind>("everywhere");
  const [row, setRow] = useState<Row | null>(null);
  const of = permissions.find((one) => one.name === permission);
  const held = me.permissions.includes(permission);
  const some = held || me.limited.includes(permission);
  const kinds: Kind[] = [...(held ? (["everywhere"] as const) : []), ...(held && of?.row_kind ? (["own", "team", "own_or_team"] as const) : []), "deny", ...(of?.row_kind ? [...(some ? (["grantRow"] as const) : []), "denyRow" as const] : [])];
  const chosen = kinds.includes(kind) ? kind : (kinds[0] ?? "deny");
  const onRow = chosen === "grantRow" || chosen === "denyRow";
  const words = (one: Kind) => (one === "grantRow" ? t("access.grantRow") : one === "denyRow" ? t("access.denyRow") : saysWords(one));
  const add = () => {
    if (!onRow) onAdd(statementOf(permission, chosen), null);
    else if (row) onAdd(null, { permission, effect: chosen === "denyRow" ? "deny" : "grant", resource: row });
    setPermission("");
    setRow(null);
  };
  return (
    <fieldset className={css.add}>
      <legend>{t("access.add")}</legend>
      <Choice label={t("access.permission")} value={permission} onValue={setPermission} options={[{ value: "", label: t("access.choose") }, ...permissions.map(({ name }) => ({ value: name, label: name }))]} note={permission && !held ? t("cell.lack", { permission }) : undefined} />
      {permission && <Choice label={t("access.what")} value={chosen} onValue={(value) => setKind(value as Kind)} options={kinds.map((one) => ({ value: one, label: words(one) }))} />}
      {permission && onRow && of?.row_kind && <RowPicker key={`${permission} ${chosen}`} kind={of.row_kind} onRow={setRow} label={t("access.row")} />}
      <div>
        <Button variant="outlined" disabled={!permission || (onRow && !row)} onClick={add}>{t("access.add.action")}</Button>
      </div>
    </fieldset>
  );
}
