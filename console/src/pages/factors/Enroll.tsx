/** Sets a factor up: an app by its picture and a code, a phone by a code sent to it, a passkey by the browser's own dialog. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { encode } from "uqr";
import { asProblem, type Problem } from "../../api/problem";
import type { Enrollment } from "../../api/types";
import { confirmPasskey, type FactorKind, type Setup, usable } from "../../auth/factors";
import { t } from "../../i18n";
import "../../i18n/factors";
import { Field } from "../../parts/Field";
import { Icon, type IconName } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import css from "./factors.module.css";

/** What can be set up here. */
const KINDS: FactorKind[] = ["passkey", "totp", "sms"];
const ICONS: Partial<Record<FactorKind, IconName>> = { passkey: "key", totp: "audit", sms: "channels" };

interface Props {
  setup: Setup;
  /** With the recovery codes, where it was the first factor. */
  onDone: (codes: string[]) => void;
}

export function Enroll({ setup, onDone }: Props) {
  const [name, setName] = useState("");
  const [begun, setBegun] = useState<Enrollment | null>(null);
  /** While a phone is set up; null otherwise. */
  const [phone, setPhone] = useState<string | null>(null);
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState<FactorKind | "confirm" | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  const run = async (what: FactorKind | "confirm", work: () => Promise<void>) => {
    setBusy(what);
    setProblem(null);
    try {
      await work();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(null);
    }
  };
  const called = (kind: FactorKind) => name.trim() || t(`factors.kind.${kind}`);
  const choose = (kind: FactorKind) =>
    run(kind, async () => {
      if (kind === "sms") return setPhone("");
      const enrollment = await setup.begin({ kind });
      if (kind === "passkey") onDone(await setup.confirm(await confirmPasskey(enrollment, called(kind))));
      else setBegun(enrollment);
    });
  const send = (event: React.FormEvent) => {
    event.preventDefault();
    void run("sms", async () => setBegun(await setup.begin({ kind: "sms", phone: phone ?? "" })));
  };
  const confirm = (event: React.FormEvent) => {
    event.preventDefault();
    if (begun) void run("confirm", async () => onDone(await setup.confirm({ enrollment: begun.enrollment, name: called(phone === null ? "totp" : "sms"), code })));
  };
  if (begun) {
    const refused = problem?.code === "factor.refused" ? t(`factors.refused.${phone === null ? "totp" : "sms"}`) : undefined;
    return (
      <form className={css.form} onSubmit={confirm}>
        {phone === null && (
          <>
            <p className={parts.muted}>{t("factors.enroll.scan")}</p>
            <Picture of={begun.url ?? ""} />
            <p className={parts.small}>{t("factors.enroll.type")}</p>
            <p className={css.typed} data-testid="totp-secret">{(begun.secret ?? "").replaceAll(/(.{4})(?=.)/g, "$1 ")}</p>
          </>
        )}
        <Field label={t("factors.code")} value={code} onValue={setCode} autoComplete="one-time-code" numeric autoFocus required error={refused} note={t(phone === null ? "factors.enroll.code" : "factors.show.sent")} />
        {!refused && <ErrorLine problem={problem} />}
        <Button type="submit" variant="contained" loading={busy === "confirm"} disabled={code.trim() === ""}>
          {t("factors.enroll.confirm")}
        </Button>
      </form>
    );
  }
  if (phone !== null) {
    return (
      <form className={css.form} onSubmit={send}>
        <Field label={t("factors.phone")} type="tel" autoComplete="tel" value={phone} onValue={setPhone} autoFocus required error={problem?.fields.find((error) => error.field === "phone")?.detail} note={t("factors.phoneNote")} />
        {problem && problem.fields.length === 0 && <ErrorLine problem={problem} />}
        <Button type="submit" variant="contained" loading={busy === "sms"} disabled={phone.trim() === ""}>
          {t("factors.send")}
        </Button>
      </form>
    );
  }
  return (
    <div className={css.form}>
      <Field label={t("factors.name")} value={name} onValue={setName} note={t("factors.nameNote")} />
      {usable(KINDS).map((kind) => (
        <button key={kind} type="button" className={css.choice} disabled={busy !== null} onClick={() => void choose(kind)}>
          <Icon name={ICONS[kind] ?? "key"} />
          <span>
            <strong>{t(`factors.kind.${kind}`)}</strong>
            <small>{t(`factors.about.${kind as "passkey" | "totp" | "sms"}`)}</small>
          </span>
        </button>
      ))}
      <ErrorLine problem={problem} />
    </div>
  );
}

/** A QR code, drawn as one path: dark on light in both schemes, or no camera reads it. */
function Picture({ of }: { of: string }) {
  const { data, size } = encode(of, { ecc: "M", border: 2 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg className={css.picture} viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t("factors.enroll.picture")} shapeRendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
