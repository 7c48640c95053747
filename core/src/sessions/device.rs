//! Which program and system somebody came with, told from the `User-Agent` (RFC 9110 §10.1.5) as far as it is honest. For people
//! to know their own sessions again; nothing is decided by it.

use serde::Serialize;

/// Longest name of a program that is not a browser, in characters.
const LONGEST: usize = 40;

/// A program on a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Device {
    /// `desktop`, `phone`, `tablet`, `program`, or `unknown`.
    pub kind: &'static str,
    /// The browser or program, such as `Firefox` or `curl`.
    pub program: Option<String>,
    /// The system, such as `Windows`.
    pub system: Option<&'static str>,
}

/// By what a browser is known. In this order: most name others beside themselves.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// By what a system is known, and what runs it. In this order: Android calls itself Linux too, and an iPhone like macOS.
const SYSTEMS: &[(&str, &str, &str)] = &[
    ("iPhone", "iOS", "phone"),
    ("iPad", "iPadOS", "tablet"),
    ("Android", "Android", "phone"),
    ("CrOS", "ChromeOS", "desktop"),
    ("Windows", "Windows", "desktop"),
    ("Mac OS X", "macOS", "desktop"),
    ("Macintosh", "macOS", "desktop"),
    ("Linux", "Linux", "desktop"),
    ("FreeBSD", "FreeBSD", "desktop"),
];

impl Device {
    /// Reads a `User-Agent`.
    pub fn of(agent: Option<&str>) -> Self {
        let Some(agent) = agent.map(str::trim).filter(|agent| !agent.is_empty()) else {
            return Self {
                kind: "unknown",
                ..Self::default()
            };
        };
        let system = SYSTEMS.iter().find(|(mark, ..)| agent.contains(mark));
        let browser = BROWSERS
            .iter()
            .find(|(mark, _)| agent.starts_with("Mozilla/") && agent.contains(mark));
        match (browser, system) {
            (Some((_, name)), system) => Self {
                kind: system.map_or("unknown", |(mark, _, kind)| {
                    // a tablet leaves "Mobile" out
                    let tablet = *mark == "Android" && !agent.contains("Mobile");
                    if tablet { "tablet" } else { kind }
                }),
                program: Some((*name).to_owned()),
                system: system.map(|(_, name, _)| *name),
            },
            (None, system) => Self {
                kind: "program",
                program: program(agent),
                system: system.map(|(_, name, _)| *name),
            },
        }
    }
}

impl std::fmt::Display for Device {
    /// For people: `Firefox on Linux`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.program.as_deref().unwrap_or("an unknown program");
        match self.system {
            Some(system) => write!(f, "{program} on {system}"),
            None => f.write_str(program),
        }
    }
}

/// The first product's name, without its version.
fn program(agent: &str) -> Option<String> {
    let name = agent.split(['/', ' ', '(']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(agent: &str) -> (String, &'static str, &'static str) {
        let device = Device::of(Some(agent));
        (
            device.program.unwrap_or_default(),
            device.system.unwrap_or_default(),
            device.kind,
        )
    }

    #[test]
    fn browsers_and_systems_are_told_apart_although_each_names_the_others() {
        for (agent, program, system, kind) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox",
                "Linux",
                "desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
                "desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge",
                "Windows",
                "desktop",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
                "Safari",
                "macOS",
                "desktop",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iOS",
                "phone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android",
                "phone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36",
                "Samsung Internet",
                "Android",
                "tablet",
            ),
            ("curl/8.14.1", "curl", "", "program"),
            ("python-requests/2.32.3", "python-requests", "", "program"),
        ] {
            assert_eq!(told(agent), (program.to_owned(), system, kind), "{agent}");
        }
        assert_eq!(Device::of(None).kind, "unknown");
        assert_eq!(Device::of(None).to_string(), "an unknown program");
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
        assert_eq!(Device::of(Some(windows)).to_string(), "Firefox on Windows");
        assert_eq!(Device::of(Some("  ")).kind, "unknown");
    }

    proptest! {
        #[test]
        fn whatever_a_client_says_of_itself_is_read_without_a_panic_and_stays_short(agent in ".{0,500}") {
            let device = Device::of(Some(&agent));
            prop_assert!(device.program.is_none_or(|name| name.chars().count() <= LONGEST));
        }
    }
}
