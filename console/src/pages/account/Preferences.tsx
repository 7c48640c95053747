/** How the console looks and listens to me, in this browser. */
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import { useState } from "react";
import { t } from "../../i18n";
import { setSingleKeys, singleKeys } from "../../keys/registry";
import { Card } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import { chooseZone, chosenZone, DEVICE, deviceZone, zones } from "../../parts/times";
import parts from "../../parts/parts.module.css";
import { applyDensity, chosenDensity, type Density } from "../../theme/density";
import { applyScheme, chosenScheme, type Scheme } from "../../theme/scheme";

export default function Preferences() {
  const [scheme, setScheme] = useState(chosenScheme());
  const [density, setDensity] = useState(chosenDensity());
  const [zone, setZone] = useState(chosenZone());
  const [single, setSingle] = useState(singleKeys());
  const paint = (value: string) => {
    applyScheme(value as Scheme);
    setScheme(value as Scheme);
  };
  const space = (value: string) => {
    applyDensity(value as Density);
    setDensity(value as Density);
  };
  const move = (value: string) => {
    chooseZone(value);
    setZone(value);
  };
  const turn = (on: boolean) => {
    setSingleKeys(on);
    setSingle(on);
  };
  return (
    <>
      <Card title={t("account.appearance")}>
        <div className={parts.stack}>
          <Choice
            label={t("account.scheme")}
            value={scheme}
            onValue={paint}
            options={[
              { value: "system", label: t("account.scheme.system") },
              { value: "light", label: t("account.scheme.light") },
              { value: "dark", label: t("account.scheme.dark") },
            ]}
          />
          <Choice
            label={t("account.density")}
            value={density}
            onValue={space}
            options={[
              { value: "comfortable", label: t("account.density.comfortable") },
              { value: "compact", label: t("account.density.compact") },
            ]}
          />
          <Choice
            label={t("account.zone")}
            value={zone}
            onValue={move}
            note={t("account.kept")}
            options={[{ value: DEVICE, label: t("account.zone.device", { zone: deviceZone() }) }, ...zones().map((zone) => ({ value: zone, label: zone.replaceAll("_", " ") }))]}
          />
        </div>
      </Card>
      <Card title={t("account.keyboard")}>
        <FormControlLabel control={<Checkbox checked={single} onChange={(event) => turn(event.target.checked)} />} label={t("account.single")} />
        <p className={parts.note}>{t("account.singleNote")}</p>
      </Card>
    </>
  );
}
