//! Settings and campaigns that are asked for; the database itself is in `tests/scenarios`.

use carillon_core::campaign::spec::Jurisdiction;
use carillon_core::id::CampaignId;

use super::*;

fn campaign(number: u64, name: &str) -> PastCampaign {
    let spec = CampaignSpec::new(name.into(), Mode::Predictive, Jurisdiction::Us);
    PastCampaign { campaign: CampaignId(number), spec }
}

#[test]
fn a_campaign_is_found_by_number_or_name() {
    let all = [campaign(1, "renewals"), campaign(2, "surveys"), campaign(3, "surveys"), campaign(4, "2")];
    let found = |wanted: &str| find(&all, wanted).map(|it| it.campaign.0);
    assert_eq!(found("renewals"), Ok(1));
    assert_eq!(found("2"), Ok(2), "a number goes before a name");
    assert_eq!(found("surveys"), Err("several campaigns are called `surveys`: give the number".into()));
    assert!(found("x").unwrap_err().contains("there are 1 (renewals), 2 (surveys)"));
    assert_eq!(find(&[], "1").unwrap_err(), "it holds no campaign");
}

#[test]
fn a_setting_is_called_by_what_differs() {
    let was = Setting { name: String::new(), mode: Mode::Ratio, limit: 0.03, agents: None };
    assert_eq!(table::name(&was, &was), "as it was run");
    let other = Setting { mode: Mode::Predictive, limit: 0.015, agents: Some(12), ..was.clone() };
    assert_eq!(table::name(&other, &was), "predictive, limit 1.5%, 12 agents");
}
