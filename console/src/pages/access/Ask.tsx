/** A question about one person: may they do this, to anything or to this row, and why. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { Access, User } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import { Choice } from "../../parts/Field";
import { ErrorLine, Lines } from "../../parts/states";
import { permissionsQuery } from "../roles/queries";
import css from "./access.module.css";
import { explainQuery, type Row } from "./queries";
import { Reasons } from "./Reasons";
import { RowPicker } from "./RowPicker";

export function Ask({ user, given }: { user: User; given: Access["given"] }) {
  const permissions = useQuery(permissionsQuery).data ?? [];
  const mayPeople = useMay("users:read");
  const [permission, setPermission] = useState("");
  const [row, setRow] = useState<Row | null>(null);
  const kind = permissions.find((one) => one.name === permission)?.row_kind ?? null;
  const query = useQuery({ ...explainQuery(user.id, permission, row, user.version), enabled: permission !== "" });
  const choose = (name: string) => {
    setPermission(name);
    setRow(null);
  };
  return (
    <section>
      <h2>{t("access.ask")}</h2>
      <div className={css.ask}>
        <Choice label={t("access.permission")} value={permission} onValue={choose} options={[{ value: "", label: t("access.choose") }, ...permissions.map(({ name }) => ({ value: name, label: name }))]} />
        {kind && mayPeople && <RowPicker key={permission} kind={kind} onRow={setRow} />}
      </div>
      {permission && (query.error ? <ErrorLine problem={asProblem(query.error)} /> : query.data ? <Reasons explanation={query.data} given={given} /> : <Lines count={2} />)}
    </section>
  );
}
