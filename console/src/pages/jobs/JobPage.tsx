import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { PageFrame } from "../../app/shell/PageFrame";
import { t, tOr } from "../../i18n";
import { Card } from "../../parts/basics";
import page from "../account/account.module.css";
import JobDetailView from "./JobDetailView";
import { jobQuery } from "./queries";

export default function JobPage() {
  const { id } = useParams({ from: "/shell/jobs/$id" });
  const kind = useQuery(jobQuery(id)).data?.kind;
  const name = kind ? tOr(`job.${kind}`, kind) : t("job.title");
  return (
    <PageFrame title={name} name={name} parent={{ to: "/jobs", name: "nav.jobs" }}>
      <div className={page.narrow}>
        <Card flush>
          <JobDetailView id={id} />
        </Card>
      </div>
    </PageFrame>
  );
}
