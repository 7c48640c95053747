/** Whether holders of the role need a second factor; the one thing that changes of the hub's own roles. */
import Button from "@mui/material/Button";
import { useState } from "react";
import type { Role } from "../../api/types";
import { roleName, t } from "../../i18n";
import "../../i18n/factors";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import { toast } from "../../parts/toast";
import { saveRole } from "./queries";

export function Demand({ role }: { role: Role }) {
  const [asked, setAsked] = useState(false);
  const name = roleName(role);
  const demanded = role.requires_factor;
  const turn = async () => {
    await saveRole(role, { requires_factor: !demanded });
    toast(t(demanded ? "factors.demand.lifted" : "factors.demand.done", { name }));
  };
  return (
    <>
      <Button variant="outlined" startIcon={<Icon name="key" small />} onClick={() => setAsked(true)}>
        {t(demanded ? "factors.demand.lift" : "factors.demand")}
      </Button>
      <ConfirmWithImpact
        open={asked}
        onClose={() => setAsked(false)}
        danger={false}
        title={t(demanded ? "factors.demand.liftTitle" : "factors.demand.title", { name })}
        text={t(demanded ? "factors.demand.liftText" : "factors.demand.text")}
        action={t(demanded ? "factors.demand.lift" : "factors.demand")}
        run={turn}
      />
    </>
  );
}
