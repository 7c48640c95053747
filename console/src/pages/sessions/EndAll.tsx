/** Ends all sessions of a person, a role or everybody, and says before how many that are. */
import { useQuery } from "@tanstack/react-query";
import { queries } from "../../app/queries";
import { t } from "../../i18n";
import "../../i18n/people";
import "../../i18n/sessions";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { toast } from "../../parts/toast";
import { endAll, impactQuery, type Whose } from "./queries";

interface Props {
  whose: Whose | null;
  /** The person's or the role's name; empty for everybody. */
  name: string;
  onClose: () => void;
}

export default function EndAll({ whose, name, onClose }: Props) {
  const filters = whose === null || whose === "everybody" ? {} : whose;
  const { data } = useQuery({ ...impactQuery(filters), enabled: whose !== null });
  const everybody = whose === "everybody";
  const run = async (reason: string) => {
    if (whose === null) return;
    const ended = await endAll(whose, reason);
    toast(t("sessions.endedAll", { n: ended.sessions, people: ended.people }));
    await queries.invalidateQueries({ queryKey: ["sessions"] });
  };
  return (
    <ConfirmWithImpact
      open={whose !== null}
      onClose={onClose}
      title={everybody ? t("sessions.endEverybody.title") : t("sessions.endAll.title", { name })}
      text={everybody ? t("sessions.endEverybody.text") : t("sessions.endAll.text")}
      impact={data ? t("sessions.endAll.impact", { n: data.total, people: data.people }) : t("impact.counting")}
      reason={t("sessions.reason")}
      action={t("sessions.endAll")}
      run={run}
    />
  );
}
