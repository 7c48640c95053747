import { useState } from "react";
import { api, must } from "../../api/client";
import type { User } from "../../api/types";
import { t } from "../../i18n";
import { showRow } from "../../live/store";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { told } from "../../parts/undo";
import { RolePicker } from "./RolePicker";

export function EditRoles({ user, onClose }: { user: User; onClose: () => void }) {
  const [roles, setRoles] = useState(user.roles.map((role) => role.id));
  const put = async (given: string[]) => showRow("user", (await must(api.PUT("/api/v1/users/{id}/roles", { params: { path: { id: user.id } }, body: { roles: given } }))) as User);
  const run = async () => {
    const before = user.roles.map((role) => role.id);
    await put(roles);
    told({ done: t("roles.done", { name: user.name }), run: () => put(before) });
  };
  return <ConfirmWithImpact open title={t("user.editRoles")} text={<RolePicker chosen={roles} onChange={setRoles} />} action={t("edit.save")} danger={false} run={run} onClose={onClose} />;
}
