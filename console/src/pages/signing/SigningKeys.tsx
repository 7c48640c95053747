/** The keys that sign the hub's tokens: what each does, and a new one. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { asProblem } from "../../api/problem";
import type { SigningKey } from "../../api/types";
import { PageFrame } from "../../app/shell/PageFrame";
import { useMay, useMe, useWhy } from "../../auth/session";
import { t } from "../../i18n";
import "../../i18n/access";
import { useOffer } from "../../keys/registry";
import { Act } from "../../parts/Act";
import { Card, Id, Pill, Time, type Tone } from "../../parts/basics";
import { ConfirmWithImpact } from "../../parts/Confirm";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { toast } from "../../parts/toast";
import page from "../account/account.module.css";
import css from "./signing.module.css";
import { rotate, signingQuery } from "./queries";

const TONES: Record<SigningKey["state"], Tone> = { next: "info", signs: "ok", verifies: "idle" };

export default function SigningKeys() {
  const query = useQuery(signingQuery);
  const [asking, setAsking] = useState(false);
  const mayAudit = useMay("audit:read");
  const why = useWhyNot(query.data);
  useOffer(why === null ? [{ id: "signing.rotate", label: t("signing.rotate.title"), group: t("keys.page"), run: () => setAsking(true) }] : []);
  const action = <Act variant="contained" startIcon={<Icon name="refresh" small />} onClick={() => setAsking(true)} why={why}>{t("signing.rotate")}</Act>;
  const { data } = query;
  const run = async () => {
    await rotate();
    toast(t("signing.rotated"));
    await query.refetch();
  };
  return (
    <PageFrame title={t("nav.signing")} name={t("nav.signing")} actions={action}>
      <div className={page.narrow}>
        {query.error && !data && <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />}
        <p className={parts.muted}>{t("signing.about")}</p>
        <Card flush>
          {!data && !query.error && <div className={css.lines}><Lines count={2} height={44} /></div>}
          {data?.length === 0 && <EmptyState icon="key" title={t("signing.none")} text={t("signing.none.text")} />}
          {data && data.length > 0 && (
            <ul className={css.keys} data-testid="signing-keys">
              {data.map((key) => (
                <li key={key.kid}>
                  <div>
                    <Id value={key.kid} />
                    <small>{key.algorithm} · <Says of={key} /></small>
                  </div>
                  <Pill tone={TONES[key.state]}>{t(`state.signing.${key.state}`)}</Pill>
                </li>
              ))}
            </ul>
          )}
        </Card>
        <div className={`${parts.row} ${parts.small}`}>
          <span className={parts.muted}>{t("signing.ended")}</span>
          {mayAudit && <Link to="/audit" search={{ action: "signing_keys.rotate" }}>{t("signing.audit")}</Link>}
        </div>
        <Card title={t("signing.jwks")}>
          <div className={parts.stack}>
            <p className={parts.muted}>{t("signing.jwksNote")}</p>
            <div><Id value={`${location.origin}/.well-known/jwks.json`} whole /></div>
          </div>
        </Card>
      </div>
      <ConfirmWithImpact
        open={asking}
        onClose={() => setAsking(false)}
        title={t("signing.rotate.title")}
        text={(["signing.rotate.text", "signing.rotate.others"] as const).map((id) => <p key={id} className={parts.muted}>{t(id)}</p>)}
        action={t("signing.rotate")}
        danger={false}
        run={run}
      />
    </PageFrame>
  );
}

/** Why there is no new key now; null where there may be. */
function useWhyNot(keys: SigningKey[] | undefined): string | null {
  const acting = Boolean(useMe().impersonation);
  const lacked = useWhy("signing_keys:rotate");
  if (acting) return t("signing.acting");
  return lacked ?? (keys?.some(({ state }) => state === "next") ? t("signing.waits") : null);
}

/** Since or until when a key does what it does. */
function Says({ of: key }: { of: SigningKey }) {
  if (key.state === "next") return t("signing.from", { time: clock(key.active_from ?? key.created_at) });
  if (key.state === "signs") return <>{t("signing.since")} <Time at={key.active_from ?? key.created_at} /></>;
  return (
    <>
      {key.verifies_until ? t("signing.until", { time: clock(key.verifies_until) }) : t("state.signing.verifies")} · {t("signing.made")} <Time at={key.created_at} />
    </>
  );
}

const HALF_A_DAY = 12 * 3_600_000;
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment to come: by the clock alone, unless that could be taken for another day's. */
const clock = (at: string): string => (Date.parse(at) - Date.now() < HALF_A_DAY ? hour : day).format(new Date(at));
