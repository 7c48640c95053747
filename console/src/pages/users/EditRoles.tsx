/** Changes which roles somebody holds, after a look at what that gives and takes. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { User } from "../../api/types";
import { useMay } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/people";
import "../../i18n/roles";
import { showRow } from "../../live/store";
import { ConfirmWithImpact } from "../../parts/Confirm";
import parts from "../../parts/parts.module.css";
import { ErrorLine, Lines } from "../../parts/states";
import { told } from "../../parts/undo";
import { Impact } from "../roles/Impact";
import { previewQuery } from "../roles/queries";
import { RolePicker } from "./RolePicker";

export default function EditRoles({ user, onClose }: { user: User; onClose: () => void }) {
  const had = user.roles.map((role) => role.id);
  const [roles, setRoles] = useState(had);
  const mayLook = [useMay("roles:read"), useMay("users:read")].every(Boolean);
  const changed = roles.length !== had.length || roles.some((id) => !had.includes(id));
  const preview = useQuery({ ...previewQuery({ kind: "roles", user: user.id, roles }), enabled: mayLook && changed });
  const put = async (given: string[]) => showRow("user", (await must(api.PUT("/api/v1/users/{id}/roles", { params: { path: { id: user.id } }, body: { roles: given } }))) as User);
  const run = async () => {
    await put(roles);
    told({ done: t("roles.done", { name: user.name }), run: () => put(had) });
  };
  const text = (
    <div className={parts.stack}>
      <RolePicker chosen={roles} onChange={setRoles} />
      {mayLook && changed && (preview.data ? <Impact preview={preview.data} /> : preview.error ? <ErrorLine problem={asProblem(preview.error)} /> : <Lines count={2} />)}
    </div>
  );
  return <ConfirmWithImpact open title={t("roles.of", { name: user.name })} text={text} action={t("edit.save")} danger={false} ready={changed} run={run} onClose={onClose} />;
}
