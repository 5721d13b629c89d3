//! A cumulative table `counts` over a small source `visits`, and what is asked of it.

use pg_cumulate_tests::{Ask, Cluster, Database, literal};
use postgres::Client;
use std::sync::OnceLock;

/// The server of all tests here; nothing but the test itself closes days there.
pub fn cluster() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::builder().conf("cumulate.enabled = off").conf("cumulate.create_sales = off").start())
}

/// The first day that counts, a Wednesday.
pub const START: &str = "2024-11-27";

/// What is special about a table.
#[derive(Debug, Clone)]
pub struct Form {
    /// The type of the time column, and the zone that cuts it into days.
    pub time: &'static str,
    pub zone: &'static str,
    /// The type of the metric's values.
    pub element: &'static str,
    /// More arguments of create_table, such as `shape => 'padded'`.
    pub more: &'static str,
}

impl Form {
    pub const PLAIN: Form = Form { time: "date", zone: "UTC", element: "integer", more: "late => 'trigger'" };

    /// SQL: the day of a row of the source.
    pub fn day(&self) -> String {
        match self.time {
            "timestamptz" => format!("(at AT TIME ZONE {})::date", literal(self.zone)),
            _ => "at::date".to_owned(),
        }
    }
}

/// A database with the table, and a session of its owner.
pub struct Scene {
    pub client: Client,
    pub form: Form,
    pub database: Database<'static>,
}

impl Scene {
    /// Visitors have two key columns; their metrics are visits and the sum and the largest of their amounts.
    pub fn new(form: Form) -> Scene {
        let database = cluster().database_with_extension();
        let mut client = database.connect();
        let Form { time, zone, element, more } = &form;
        client.run(&format!(
            "CREATE TABLE visits (shop text, visitor integer, at {time}, amount integer);
             SELECT cumulate.create_table('counts', 'visits', 'at', '{{shop,visitor}}',
                 '{{\"visits\": \"count(*)\",
                   \"amount\": {{\"value\": \"sum(amount)\", \"type\": \"{element}\"}},
                   \"largest\": {{\"value\": \"max(amount)\", \"type\": \"{element}\", \"rollup\": \"max\"}},
                   \"mean\": {{\"value\": \"avg(amount)\", \"rollup\": \"avg\"}},
                   \"newest\": {{\"value\": \"max(amount)\", \"rollup\": \"last\"}},
                   \"note\": {{\"value\": \"min(shop)\", \"rollup\": \"none\"}}}}',
                 windows => '{{7,28}}', start_date => '{START}', time_zone => {zone}, {more})",
            zone = literal(zone)
        ));
        Scene { client, form, database }
    }

    /// Adds visits: shop, visitor, days from the start, amount.
    pub fn visit(&mut self, visits: &[(&str, i32, i32, Option<i32>)]) {
        for (shop, visitor, day, amount) in visits {
            let amount = amount.map_or("NULL".to_owned(), |amount| amount.to_string());
            let shop = literal(shop);
            self.client.run(&format!(
                "INSERT INTO visits VALUES ({shop}, {visitor}, DATE '{START}' + {day} + interval '12 hours', {amount})"
            ));
        }
    }

    /// Closes so many days from the start on.
    pub fn close(&mut self, days: i32) {
        self.client.run(&format!("SELECT cumulate.cumulate_range('counts', '{START}', DATE '{START}' + {days} - 1)"));
    }

    /// How the rows of two queries differ, if they do.
    pub fn difference(&mut self, ours: &str, model: &str) -> Result<(), String> {
        let more = |client: &mut Client, one: &str, other: &str| {
            client.lines(&format!("SELECT * FROM (({one}) EXCEPT ALL ({other})) AS more ORDER BY 1, 2"))
        };
        let (unexpected, missing) = (more(&mut self.client, ours, model), more(&mut self.client, model, ours));
        if unexpected.is_empty() && missing.is_empty() {
            return Ok(());
        }
        Err(format!("{ours}\nis not\n{model}\nunexpected: {unexpected:#?}\nmissing: {missing:#?}"))
    }
}
