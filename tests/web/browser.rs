//! Chromium, driven by chromedriver over the WebDriver protocol (W3C, JSON over HTTP).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// Opens one with a page of this size; nothing where no browser is installed.
    pub(crate) fn open(width: u32, height: u32) -> Option<Self> {
        let driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            eprintln!("skipped: chromedriver is not here");
            return None;
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let rest = line.split("started successfully on port ").nth(1)?;
                rest.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver said no port");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            agent: config.build().into(),
        };
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--no-first-run"],
            // A window cannot be as narrow as a phone; what a phone shows can be had in any.
            "mobileEmulation": {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 1.0, "touch": false}},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let made = browser.ask("POST", "", &wanted);
        let id = made["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"));
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = match method {
            "GET" => self.agent.get(&url).call(),
            "DELETE" => self.agent.delete(&url).call(),
            _ => self.agent.post(&url).send_json(body),
        }
        .unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        assert!(said["value"]["error"].is_null(), "{method} {path}: {text}");
        said["value"].clone()
    }

    pub(crate) fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// What a script says in the page.
    pub(crate) fn eval(&self, script: &str) -> Value {
        self.ask(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// What a script hands to its last argument.
    pub(crate) fn eval_async(&self, script: &str) -> Value {
        self.ask(
            "POST",
            "/execute/async",
            &json!({"script": script, "args": []}),
        )
    }

    fn find(&self, css: &str) -> String {
        let found = self.ask(
            "POST",
            "/element",
            &json!({"using": "css selector", "value": css}),
        );
        let id = found.as_object().unwrap().values().next().unwrap();
        format!("/element/{}", id.as_str().unwrap())
    }

    pub(crate) fn click(&self, css: &str) {
        let element = self.find(css);
        self.ask("POST", &format!("{element}/click"), &json!({}));
    }

    pub(crate) fn enter(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.ask("POST", &format!("{element}/value"), &json!({"text": text}));
    }

    fn url(&self) -> String {
        let url = self.ask("GET", "/url", &Value::Null);
        url.as_str().unwrap().to_owned()
    }

    /// Waits for what a click leads to.
    pub(crate) fn arrives(&self, url: &str) {
        self.waits("the page", || (self.url() == url).then_some(()));
    }

    /// Waits until the page says something; a page may ask for itself again meanwhile.
    pub(crate) fn reads(&self, text: &str) {
        self.waits(text, || self.text().contains(text).then_some(()));
    }

    fn waits(&self, what: &str, look: impl Fn() -> Option<()>) {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while look().is_none() {
            let is_late = std::time::Instant::now() > until;
            assert!(
                !is_late,
                "{what} does not come at {}: {}",
                self.url(),
                self.text()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn text(&self) -> String {
        let text = self.eval("return document.body.innerText");
        text.as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; ending the driver alone would leave it.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
