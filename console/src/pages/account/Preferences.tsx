/** How the console looks and listens to me, in this browser. */
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useState } from "react";
import { t } from "../../i18n";
import { setSingleKeys, singleKeys } from "../../keys/registry";
import { Card } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import parts from "../../parts/parts.module.css";
import { applyScheme, chosenScheme, type Scheme } from "../../theme/scheme";

export default function Preferences() {
  const [scheme, setScheme] = useState(chosenScheme());
  const [single, setSingle] = useState(singleKeys());
  const paint = (value: string) => {
    applyScheme(value as Scheme);
    setScheme(value as Scheme);
  };
  const turn = (on: boolean) => {
    setSingleKeys(on);
    setSingle(on);
  };
  return (
    <>
      <Card title={t("account.appearance")}>
        <Choice
          label={t("account.scheme")}
          value={scheme}
          onValue={paint}
          note={t("account.kept")}
          options={[
            { value: "system", label: t("account.scheme.system") },
            { value: "light", label: t("account.scheme.light") },
            { value: "dark", label: t("account.scheme.dark") },
          ]}
        />
      </Card>
      <Card title={t("account.keyboard")}>
        <FormControlLabel control={<Checkbox checked={single} onChange={(event) => turn(event.target.checked)} />} label={t("account.single")} />
        <p className={parts.note}>{t("account.singleNote")}</p>
      </Card>
    </>
  );
}
