/** The person's fields, and their editing: on the version that was read, never over someone else's work. */
import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { lazy, Suspense, useState } from "react";
import { api, must } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { User } from "../../api/types";
import { useMe } from "../../auth/session";
import { roleName, t } from "../../i18n";
import { useOffer } from "../../keys/registry";
import { showRow } from "../../live/store";
import { Facts, Id, StatePill, Time } from "../../parts/basics";
import { Field } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { ErrorLine } from "../../parts/states";
import { told } from "../../parts/undo";
import { ConflictView } from "./ConflictView";
import { changesIn, conflictsIn, draftOf, FIELDS, type FieldName, isObject, isWritable, merged, valueOf } from "./merge";
import { TeamNames } from "./queries";
import css from "./users.module.css";

const EditRoles = lazy(() => import("./EditRoles"));

export const LABELS = { name: "field.name", email: "field.email", phone: "field.phone", department: "field.department", profile_image: "field.profile_image", employment_equity: "field.equity", metadata: "field.metadata" } as const;

export function Profile({ user }: { user: User }) {
  const [editing, setEditing] = useState(false);
  const [roles, setRoles] = useState(false);
  const mayEdit = user.can?.includes("users.update");
  const mayAssign = user.can?.includes("roles.assign");
  useOffer(mayEdit && !editing ? [{ id: "user.edit", keys: "e", label: t("user.edit"), group: t("keys.page"), run: () => setEditing(true) }] : []);
  if (editing) return <Editor user={user} onDone={() => setEditing(false)} />;
  const hidden = (field: string, value: React.ReactNode) => (user.masked?.includes(field) ? <span className={parts.muted}>{t("masked")}</span> : value || null);
  return (
    <div className={parts.stack}>
      <Facts
        facts={[
          [t("field.status"), <StatePill key="state" state={user.status} />],
          ...(user.status === "banned" ? ([[t("field.banReason"), user.ban_reason], [t("field.bannedAt"), <Time key="banned" at={user.banned_at} />]] as [string, React.ReactNode][]) : []),
          [t("field.email"), hidden("email", user.email)],
          [t("field.phone"), hidden("phone", user.phone)],
          [t("field.department"), user.department],
          [t("field.roles"), user.roles?.map(roleName).join(", ") || null],
          [t("users.teams"), <TeamNames key="teams" user={user} />],
          [t("field.equity"), hidden("employment_equity", <Pairs value={user.employment_equity} />)],
          [t("field.metadata"), <Pairs key="metadata" value={user.metadata} />],
          [t("field.lastLogin"), <Time key="login" at={user.last_login_at} />],
          [t("field.created"), <Time key="created" at={user.created_at} />],
          [t("field.updated"), <Time key="updated" at={user.updated_at} />],
          [t("field.version"), user.version],
          [t("field.id"), <Id key="id" value={user.id} />],
        ]}
      />
      <div className={parts.row}>
        {mayEdit && (
          <Button variant="outlined" startIcon={<Icon name="edit" small />} onClick={() => setEditing(true)}>
            {t("user.edit")}
          </Button>
        )}
        {mayAssign && (
          <Button variant="outlined" onClick={() => setRoles(true)}>{t("user.editRoles")}</Button>
        )}
      </div>
      <Suspense>{roles && <EditRoles user={user} onClose={() => setRoles(false)} />}</Suspense>
    </div>
  );
}

/** Writes what stood in the changed fields before, unless somebody changed the person since. */
async function back(before: User, saved: User, changed: object): Promise<void> {
  const old = draftOf(before);
  const body = Object.fromEntries(FIELDS.filter((field) => field in changed).map((field) => [field, valueOf(field, old[field])]));
  showRow("user", (await must(api.PATCH("/api/v1/users/{id}", { params: { path: { id: saved.id }, header: { "If-Match": `"${saved.version}"` } } as never, body: body as never }))) as User);
}

/** An object of the operator's own, a line for each of its keys. */
function Pairs({ value }: { value: unknown }) {
  const pairs = Object.entries((value ?? {}) as Record<string, unknown>);
  if (pairs.length === 0) return <>–</>;
  return (
    <dl className={css.pairs}>
      {pairs.map(([key, held]) => (
        <div key={key}>
          <dt>{key}</dt>
          <dd>{typeof held === "string" ? held : JSON.stringify(held)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Editor({ user, onDone }: { user: User; onDone: () => void }) {
  const [base, setBase] = useState(user);
  const [draft, setDraft] = useState(() => draftOf(user));
  const [theirs, setTheirs] = useState<User | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const oneself = useMe().user.id === user.id;
  const was = draftOf(base);
  const changes = changesIn(was, draft);
  // Never with unsaved words: these are given up by the button only.
  useOffer([{ id: "user.edit.leave", keys: "escape", label: t("cancel"), group: t("keys.page"), keyOnly: true, run: () => Object.keys(changes).length === 0 && onDone() }]);
  const refused = (field: FieldName) => (isWritable(field, draft[field]) ? problem?.fields.find((error) => error.field === field)?.detail : t("field.objectError"));

  const send = async (on: User, body: ReturnType<typeof changesIn>): Promise<void> => {
    const saved = await must(api.PATCH("/api/v1/users/{id}", { params: { path: { id: user.id }, header: { "If-Match": `"${on.version}"` } } as never, body: body as never }));
    showRow("user", saved as User);
    told({ done: t("edit.saved", { name: saved.name }), run: () => back(on, saved as User, body) });
    onDone();
  };

  /** Saves on `on`; where someone was faster and nothing collides, my changes go on top of theirs. */
  const save = async (on: User, mine: typeof draft) => {
    setBusy(true);
    setProblem(null);
    try {
      await send(on, changesIn(draftOf(on), mine));
    } catch (error) {
      const answer = asProblem(error);
      const current = answer.status === 412 ? (answer.current as User | null) : null;
      if (!current) setProblem(answer);
      else if (conflictsIn(draftOf(on), draftOf(current), mine).length > 0) setTheirs(current);
      else return save(current, merged(draftOf(on), draftOf(current), mine, new Set()));
    } finally {
      setBusy(false);
    }
  };

  const settle = (keepMine: ReadonlySet<FieldName>) => {
    if (!theirs) return;
    const next = merged(was, draftOf(theirs), draft, keepMine);
    setBase(theirs);
    setDraft(next);
    setTheirs(null);
    if (Object.keys(changesIn(draftOf(theirs), next)).length === 0) onDone();
    else void save(theirs, next);
  };

  if (theirs) return <ConflictView conflicts={conflictsIn(was, draftOf(theirs), draft)} labels={LABELS} onSettle={settle} onBack={() => setTheirs(null)} />;
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    void save(base, draft);
  };
  return (
    <form className={parts.stack} onSubmit={submit}>
      {user.version > base.version && <Alert severity="info" icon={false}>{t("edit.changedMeanwhile")}</Alert>}
      {FIELDS.map((field) => {
        const masked = user.masked?.includes(field);
        const own = oneself && field === "email";
        return (
          <Field
            key={field}
            label={t(LABELS[field])}
            type={field === "email" ? "email" : "text"}
            {...(isObject(field) && { multiline: true, minRows: 2, note: t("field.objectNote"), mono: true })}
            {...(masked && { note: t("need", { permission: "users:read_pii" }) })}
            {...(own && { note: t("user.ownEmail") })}
            value={masked ? "" : draft[field]}
            disabled={masked || own}
            placeholder={masked ? t("masked") : undefined}
            onValue={(value) => setDraft((before) => ({ ...before, [field]: value }))}
            required={field === "name" || field === "email"}
            autoFocus={field === "name"}
            error={refused(field)}
          />
        );
      })}
      {problem && !problem.fields.some((error) => (FIELDS as readonly string[]).includes(error.field)) && <ErrorLine problem={problem} />}
      <div className={parts.row}>
        <Button type="submit" variant="contained" loading={busy} disabled={Object.keys(changes).length === 0 || !draft.name.trim() || !FIELDS.every((field) => isWritable(field, draft[field]))}>{t("edit.save")}</Button>
        <Button variant="text" onClick={onDone} disabled={busy}>{t("cancel")}</Button>
      </div>
    </form>
  );
}
