import createCache from "@emotion/cache";
import { CacheProvider } from "@emotion/react";
import { ThemeProvider } from "@mui/material/styles";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { watchActing } from "./auth/acting";
import { watchSession } from "./app/leave";
import { queries } from "./app/queries";
import { router } from "./app/router";
import { takeUpdates } from "./app/update";
import { listen } from "./keys/registry";
import { applyDensity, chosenDensity } from "./theme/density";
import { applyScheme, chosenScheme } from "./theme/scheme";
import { theme } from "./theme/theme";
import "./theme/tokens.css";
import "./theme/global.css";

applyScheme(chosenScheme());
applyDensity(chosenDensity());
listen();
watchSession();
watchActing();
takeUpdates();

// The policy admits only style elements that carry the nonce the hub wrote into this page.
const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content;
const styles = createCache({ key: "sb", nonce, prepend: true });

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <CacheProvider value={styles}>
        <ThemeProvider theme={theme}>
          <QueryClientProvider client={queries}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </ThemeProvider>
      </CacheProvider>
    </StrictMode>,
  );
}
