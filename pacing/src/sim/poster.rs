//! All policies of a plan in one picture that stands by itself: how busy each keeps a team, scenario by scenario.

use std::fmt::Write;

use super::report::{COLOURS, escape};
use super::study::Row;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const ROW: f64 = 34.0;
const LOWEST: f64 = 25.0;
const HIGHEST: f64 = 90.0;

/// An SVG picture: one line a scenario, one mark a policy, hollow where a period ended above the limit; a stroke where
/// nobody can be busier.
pub fn poster(rows: &[Row]) -> String {
    let mut policies: Vec<&str> = Vec::new();
    let mut scenarios: Vec<&str> = Vec::new();
    for row in rows {
        if !policies.contains(&row.policy.as_str()) {
            policies.push(&row.policy);
        }
        if !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
    }
    let height = TOP + ROW * scenarios.len() as f64 + 46.0;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Utilisation by policy\" font-family=\"system-ui,sans-serif\" font-size=\"13\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (index, policy) in policies.iter().enumerate() {
        let x = 16.0 + 140.0 * (index % 6) as f64;
        let y = 18.0 + 20.0 * (index / 6) as f64;
        let colour = COLOURS[index % COLOURS.len()];
        let _ = writeln!(
            picture,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 12.0,
            y + 4.5,
            escape(policy)
        );
    }
    let bottom = TOP + ROW * scenarios.len() as f64;
    let mut tick = 30.0;
    while tick <= HIGHEST {
        let at = x(tick);
        let _ = writeln!(
            picture,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{tick}</text>",
            bottom + 18.0
        );
        tick += 10.0;
    }
    let _ = writeln!(
        picture,
        "<text x=\"{LEFT}\" y=\"{}\" fill=\"#666\">Utilisation in %. Hollow: periods above the limit. Stroke: nobody can be \
         busier.</text>",
        bottom + 38.0
    );
    for (index, scenario) in scenarios.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let of: Vec<&Row> = rows.iter().filter(|row| row.scenario == *scenario).collect();
        let _ = writeln!(
            picture,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ccc\"/>",
            LEFT - 12.0,
            y + 4.5,
            escape(scenario),
            WIDTH - RIGHT,
        );
        if let Some(row) = of.first() {
            let at = x(row.bound * 100.0);
            let _ = writeln!(
                picture,
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"#333\" stroke-width=\"2\"/>",
                y - 10.0,
                y + 10.0
            );
        }
        // Ours, the first, is drawn last and largest.
        for row in of.iter().rev() {
            let index = policies.iter().position(|policy| *policy == row.policy).unwrap_or_default();
            let colour = COLOURS[index % COLOURS.len()];
            let fill = if row.over > 0 { "#fff" } else { colour };
            let radius = if index == 0 { 8 } else { 6 };
            let _ = writeln!(
                picture,
                "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"2\"><title>{}: \
                 {:.1} %, {:.1} % abandoned, {} of {} periods above the limit</title></circle>",
                x(row.utilisation.mean * 100.0),
                escape(&row.policy),
                row.utilisation.mean * 100.0,
                row.abandon_pooled * 100.0,
                row.over,
                row.periods,
            );
        }
    }
    picture.push_str("</svg>\n");
    picture
}

fn x(utilisation: f64) -> f64 {
    let share = ((utilisation - LOWEST) / (HIGHEST - LOWEST)).clamp(0.0, 1.0);
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

#[cfg(test)]
mod tests {
    use super::super::plan::Scenario;
    use super::super::study;
    use super::*;

    #[test]
    fn every_row_has_its_mark_and_hollow_is_above_the_limit() {
        let scenario = Scenario { name: "two <agents>".into(), agents: 2, hours: 0.2, ..Scenario::default() };
        let mut rows: Vec<Row> = ["predictive", "progressive"]
            .into_iter()
            .map(|policy| study::run(&scenario, policy, 1, 2).unwrap())
            .collect();
        rows[0].over = 0;
        rows[1].over = 1;
        let picture = poster(&rows);
        assert!(picture.contains("two &lt;agents&gt;") && !picture.contains("NaN"));
        assert_eq!(picture.matches("<title>").count(), 2);
        assert_eq!(picture.matches("fill=\"#fff\" stroke").count(), 1);
    }
}
