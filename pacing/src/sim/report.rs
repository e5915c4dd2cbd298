//! A study as a table for the terminal and as a page with plots that needs nothing but itself.

use std::fmt::Write;

use super::study::{Row, Study};

/// Colours of policies in order of appearance.
pub(super) const COLOURS: [&str; 8] =
    ["#1b6ca8", "#c4441c", "#2c8a4b", "#8a5fb0", "#a67c00", "#3aa6a6", "#b0436e", "#555555"];
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 34.0;

/// The table as text, one line a row.
pub fn table(study: &Study) -> String {
    let wide = |name: fn(&Row) -> &String, least: usize| {
        study.rows.iter().map(|row| name(row).chars().count()).max().unwrap_or_default().max(least)
    };
    let (scenarios, policies) = (wide(|row| &row.scenario, 8), wide(|row| &row.policy, 6));
    let mut text = format!(
        "{:scenarios$}  {:policies$}  {:>6}  {:>13}  {:>6}  {:>6}  {:>6}  {:>6}  {:>6}  {:>11}  {:>6}  {:>5}\n",
        "scenario",
        "policy",
        "bound",
        "utilisation %",
        "aband.",
        "worst",
        "30 min",
        "15 min",
        "over",
        "wait, p95 s",
        "dials",
        "talks",
    );
    for row in &study.rows {
        let _ = writeln!(
            text,
            "{:scenarios$}  {:policies$}  {:>6.1}  {:>6.2} ± {:>4.2}  {:>6.2}  {:>6.2}  {:>6.2}  {:>6.2}  {:>6}  {:>5.1} {:>5.1}  {:>6.1}  {:>5.1}",
            row.scenario,
            row.policy,
            row.bound * 100.0,
            row.utilisation.mean * 100.0,
            row.utilisation.margin * 100.0,
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.abandon_worst_half_hour * 100.0,
            row.abandon_first * 100.0,
            format!("{}/{}", row.over, row.periods),
            row.wait_mean_s,
            row.wait_p95_s,
            row.dials,
            row.contacts,
        );
    }
    text.push_str(
        "aband.: abandoned share of live answers in %, all shifts; worst period; worst half hour; first 15 minutes.\n\
         over: periods above the limit. dials, talks: per agent hour.\n",
    );
    text
}

/// The page.
pub fn page(study: &Study) -> String {
    let mut policies: Vec<&str> = Vec::new();
    let mut scenarios: Vec<&str> = Vec::new();
    for row in &study.rows {
        if !policies.contains(&row.policy.as_str()) {
            policies.push(&row.policy);
        }
        if !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
    }
    let colour = |policy: &str| {
        let index = policies.iter().position(|it| *it == policy).unwrap_or_default();
        COLOURS[index % COLOURS.len()]
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pacing: {0}</title>\n<style>\
         body{{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}}\
         table{{border-collapse:collapse;font-size:13px}}td,th{{padding:2px 8px;text-align:right;\
         border-bottom:1px solid #ddd}}td:first-child,td:nth-child(2),th:first-child,th:nth-child(2)\
         {{text-align:left}}.over{{color:#b00;font-weight:bold}}figure{{display:inline-block;margin:.5em}}\
         figcaption{{font-size:13px}}svg text{{font-size:11px;fill:#444}}</style></head><body>\n\
         <h1>Pacing: {0}</h1><p>{1}</p><p>Seeds {2} to {3}.</p>\n",
        escape(&study.plan),
        escape(&study.about),
        study.seeds.0,
        study.seeds.0 + study.seeds.1.max(1) - 1,
    );
    page.push_str("<p>");
    for policy in &policies {
        let _ = write!(
            page,
            "<span style=\"color:{}\">&#9632; {}</span> &nbsp; ",
            colour(policy),
            escape(policy)
        );
    }
    page.push_str("</p>\n");
    rows(&mut page, study);
    for scenario in scenarios {
        let of: Vec<&Row> = study.rows.iter().filter(|row| row.scenario == scenario).collect();
        let _ = writeln!(page, "<h2>{}</h2>", escape(scenario));
        against(&mut page, &of, &colour);
        first_hour(&mut page, &of, &colour);
        waits(&mut page, &of, &colour);
    }
    page.push_str("</body></html>\n");
    page
}

fn rows(page: &mut String, study: &Study) {
    page.push_str(
        "<table><tr><th>scenario<th>policy<th>bound %<th>utilisation %<th>abandoned %<th>worst period<th>worst \
         30 min<th>first 15 min<th>over<th>wait s<th>p95 s<th>dials/h<th>talks/h</tr>\n",
    );
    for row in &study.rows {
        let over = if row.over > 0 { " class=\"over\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{:.1}<td>{:.2} ± {:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td>{:.2}<td{over}>{}/{}<td>{:.1}\
             <td>{:.1}<td>{:.1}<td>{:.1}</tr>",
            escape(&row.scenario),
            escape(&row.policy),
            row.bound * 100.0,
            row.utilisation.mean * 100.0,
            row.utilisation.margin * 100.0,
            row.abandon_pooled * 100.0,
            row.abandon_worst * 100.0,
            row.abandon_worst_half_hour * 100.0,
            row.abandon_first * 100.0,
            row.over,
            row.periods,
            row.wait_mean_s,
            row.wait_p95_s,
            row.dials,
            row.contacts,
        );
    }
    page.push_str("</table>\n");
}

/// Axes from zero or `low` to `high` on both sides.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0).max(1e-9) * (WIDTH - LEFT - 8.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.y.0) / (self.y.1 - self.y.0).max(1e-9);
        8.0 + (1.0 - share) * (HEIGHT - BOTTOM - 8.0)
    }

    fn open(&self, page: &mut String, caption: &str, labels: (&str, &str)) {
        let _ = write!(
            page,
            "<figure><svg width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{caption}\">"
        );
        for step in 0..=5 {
            let share = f64::from(step) / 5.0;
            let (x, y) = (self.x.0 + (self.x.1 - self.x.0) * share, self.y.0 + (self.y.1 - self.y.0) * share);
            let _ = write!(
                page,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#eee\"/>\
                 <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4:.1}</text>\
                 <text x=\"{5:.1}\" y=\"{6:.1}\" text-anchor=\"middle\">{7:.1}</text>",
                WIDTH - 8.0,
                self.y(y),
                LEFT - 4.0,
                self.y(y) + 4.0,
                y,
                self.x(x),
                HEIGHT - BOTTOM + 14.0,
                x,
            );
        }
        let _ = write!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text x=\"{LEFT}\" y=\"7\">{}</text>",
            WIDTH - 8.0,
            HEIGHT - 5.0,
            labels.0,
            labels.1,
        );
    }
}

fn close(page: &mut String, caption: &str) {
    let _ = writeln!(page, "</svg><figcaption>{caption}</figcaption></figure>");
}

/// Utilisation against abandoned share.
fn against(page: &mut String, rows: &[&Row], colour: &impl Fn(&str) -> &'static str) {
    let caption = "Utilisation against abandoned answers; dashed: nobody can be busier.";
    let most = rows.iter().map(|row| row.abandon_pooled * 100.0).fold(4.0, f64::max);
    let least = rows.iter().map(|row| row.utilisation.mean * 100.0).fold(100.0, f64::min);
    let axes = Axes { x: (0.0, most * 1.05), y: ((least - 5.0).max(0.0), 100.0) };
    axes.open(page, caption, ("abandoned %", "utilisation %"));
    if let Some(row) = rows.first() {
        let _ = write!(
            page,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#888\" stroke-dasharray=\"4 3\"/>",
            WIDTH - 8.0,
            axes.y(row.bound * 100.0),
        );
    }
    for row in rows {
        let (x, y) = (axes.x(row.abandon_pooled * 100.0), axes.y(row.utilisation.mean * 100.0));
        let _ = write!(
            page,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{}\"><title>{}: {:.2} %, {:.2} % abandoned</title>\
             </circle>",
            colour(&row.policy),
            escape(&row.policy),
            row.utilisation.mean * 100.0,
            row.abandon_pooled * 100.0,
        );
    }
    close(page, caption);
}

/// The first hour in steps of two minutes.
fn first_hour(page: &mut String, rows: &[&Row], colour: &impl Fn(&str) -> &'static str) {
    let caption = "The first hour: utilisation (full) and abandoned share so far, times ten (dotted).";
    let axes = Axes { x: (0.0, 60.0), y: (0.0, 100.0) };
    axes.open(page, caption, ("minutes", "%"));
    for row in rows {
        let (mut busy, mut lost) = (String::new(), String::new());
        let (mut live, mut abandoned) = (0u32, 0u32);
        for (index, pair) in row.first_hour.chunks(2).enumerate() {
            let minute = index as f64 * 2.0 + 1.0;
            let work: f64 = pair.iter().map(|it| it.work_s).sum();
            let talk: f64 = pair.iter().map(|it| it.talk_s).sum();
            live += pair.iter().map(|it| it.live).sum::<u32>();
            abandoned += pair.iter().map(|it| it.abandoned).sum::<u32>();
            if work > 0.0 {
                let _ = write!(busy, "{:.1},{:.1} ", axes.x(minute), axes.y(talk / work * 100.0));
            }
            if live > 0 {
                let rate = (f64::from(abandoned) / f64::from(live) * 1000.0).min(100.0);
                let _ = write!(lost, "{:.1},{:.1} ", axes.x(minute), axes.y(rate));
            }
        }
        let _ = write!(
            page,
            "<polyline points=\"{busy}\" fill=\"none\" stroke=\"{0}\" stroke-width=\"1.6\"/>\
             <polyline points=\"{lost}\" fill=\"none\" stroke=\"{0}\" stroke-dasharray=\"2 3\"/>",
            colour(&row.policy),
        );
    }
    close(page, caption);
}

/// Mean wait and the wait that 95% do not exceed.
fn waits(page: &mut String, rows: &[&Row], colour: &impl Fn(&str) -> &'static str) {
    let caption = "An agent's wait for a call in seconds: mean (full) and 95% quantile (light).";
    let most = rows.iter().map(|row| row.wait_p95_s.max(row.wait_mean_s)).fold(1.0, f64::max);
    let axes = Axes { x: (0.0, rows.len() as f64), y: (0.0, most * 1.05) };
    axes.open(page, caption, ("policies in order", "s"));
    for (index, row) in rows.iter().enumerate() {
        for (value, from, opacity) in [(row.wait_p95_s, 0.15, 0.35), (row.wait_mean_s, 0.3, 1.0)] {
            let (x, y) = (axes.x(index as f64 + from), axes.y(value));
            let width = axes.x(index as f64 + 1.0 - from) - x;
            let _ = write!(
                page,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\" \
                 opacity=\"{opacity}\"><title>{}: {value:.1} s</title></rect>",
                axes.y(0.0) - y,
                colour(&row.policy),
                escape(&row.policy),
            );
        }
    }
    close(page, caption);
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::plan::Scenario;
    use super::super::study;
    use super::*;

    #[test]
    fn table_and_page_name_every_row_and_need_nothing_else() {
        let scenario = Scenario { name: "two <agents>".into(), agents: 2, hours: 0.2, ..Scenario::default() };
        let rows = ["progressive", "predictive"]
            .into_iter()
            .map(|policy| study::run(&scenario, policy, 1, 2).unwrap())
            .collect();
        let study = Study { plan: "test".into(), about: "a & b".into(), seeds: (1, 2), rows };
        let table = table(&study);
        assert_eq!(table.lines().count(), 5, "{table}");
        let page = page(&study);
        assert!(page.contains("two &lt;agents&gt;") && page.contains("a &amp; b"));
        assert_eq!(page.matches("<svg").count(), 3);
        assert!(!page.contains("http") && !page.contains("NaN") && !page.contains("inf"));
    }
}
