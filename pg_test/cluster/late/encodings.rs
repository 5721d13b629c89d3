//! Late changes of keys with other than ASCII letters, in databases of every encoding: noted as what they are.

use crate::cluster;
use pg_cumulate_tests::{Ask, Database, ENCODINGS};
use postgres::Client;

/// Three keys that no two encodings write alike, as SQL writes them; in SQL_ASCII bytes that are no letters.
fn keys(encoding: &str) -> [&'static str; 3] {
    match encoding {
        "UTF8" => ["'ä'", "'☃ {x}'", "'it''s 𝄞'"],
        "LATIN1" => ["'ä'", "'ÿ {\"ß\"}'", "E'\\\\x80'"],
        "EUC_JP" => ["'日本'", "'表,ｶ'", "'é'"],
        _ => ["E'\\xe4'", "E'\\xc3{\\xff}'", "'\u{10ff80}'"],
    }
}

/// A source over two partitions, and a table over it of which some days are closed; `k[1]` is the first of the keys.
fn orders(encoding: &str) -> (Database<'static>, Client) {
    let database = cluster().database_with_extension_in(encoding);
    let mut client = database.connect();
    client.run(&format!("CREATE TABLE keys AS SELECT ARRAY[{}]::text[] AS k", keys(encoding).join(", ")));
    client.run(
        "CREATE TABLE shop (name text PRIMARY KEY);
         CREATE TABLE placed (
             id integer, shop text REFERENCES shop ON UPDATE CASCADE ON DELETE CASCADE, \"größe\" varchar(9), day date,
             amount integer) PARTITION BY LIST (amount);
         CREATE TABLE placed_one PARTITION OF placed FOR VALUES IN (1);
         CREATE TABLE placed_more PARTITION OF placed DEFAULT;
         INSERT INTO shop SELECT unnest(k) FROM keys;
         INSERT INTO placed SELECT n, k[n % 3 + 1], k[n % 2 + 1], DATE '2024-05-01' + n % 4, n FROM generate_series(1, 24) n, keys;
         SELECT cumulate.create_table('spent', 'placed', 'day', '{shop,größe}', '{\"spent\": \"sum(amount)\"}',
             start_date => '2024-05-01', time_zone => 'UTC', windows => '{3}');
         SELECT cumulate.cumulate_range('spent', '2024-05-01', '2024-05-06')",
    );
    (database, client)
}

#[test]
fn late_changes_of_any_key_are_noted_and_repaired_whatever_the_encoding() {
    let changes = [
        "INSERT INTO placed SELECT 100, k[1], k[3], '2024-05-01', 1000 FROM keys",
        "UPDATE placed SET \"größe\" = k[3], day = '2024-05-02' FROM keys WHERE shop = k[2] AND day = '2024-05-01'",
        "DELETE FROM placed USING keys WHERE shop = k[3] AND id < 9",
        "UPDATE shop SET name = name || k[1] FROM keys WHERE name = k[2]",
        "DELETE FROM shop USING keys WHERE name = k[1]",
        "UPDATE placed SET amount = 1 WHERE id = (SELECT max(id) FROM placed)",
        "MERGE INTO placed p USING (SELECT 200 AS id, k[3] AS shop, k[1] AS size FROM keys) n ON false
         WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.shop, n.size, '2024-05-03', 7)",
        "BEGIN; INSERT INTO placed_one SELECT 300, k[3], k[2], '2024-05-04', 1 FROM keys; PREPARE TRANSACTION 'noted';
         COMMIT PREPARED 'noted'",
        "BEGIN; SAVEPOINT one; INSERT INTO placed SELECT 400, k[3], k[3], '2024-05-02', 1 FROM keys;
         SELECT cumulate.apply_late('spent'); ROLLBACK TO one; COMMIT",
    ];
    for encoding in ENCODINGS {
        let (_database, mut client) = orders(encoding);
        for change in changes {
            for part in change.split(';') {
                client.run(part);
            }
            let whole: i64 = client.value("SELECT count(*) FROM cumulate.note WHERE key IS NULL");
            let noted: i64 = client.value("SELECT count(*) FROM cumulate.note WHERE key IS NOT NULL");
            assert!(whole == 0 && noted > 0, "{encoding}: {whole} days and {noted} keys are noted by: {change}");
            // What was noted are keys as they are written.
            let strange = "SELECT count(*) FROM cumulate.note, keys
                            WHERE NOT (key[1] = ANY (k) OR key[1] = k[2] || k[1]) OR NOT key[2] = ANY (k)";
            assert_eq!(client.value::<i64>(strange), 0, "{encoding}: noted as something else by: {change}");
            client.run("SELECT cumulate.apply_late('spent')");
            assert_right(&mut client, &format!("{encoding}, after: {change}"));
        }
    }
}

/// By bytes, for not all keys are letters.
fn assert_right(client: &mut Client, what: &str) {
    let wrong = "SELECT encode(convert_to(v::text, getdatabaseencoding()), 'escape') FROM cumulate.verify('spent') v";
    assert_eq!(client.lines(wrong), [""; 0], "{what}");
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.note"), 0, "{what}");
    let lost = "SELECT count(*) FROM (SELECT DISTINCT shop, \"größe\" FROM placed) p
                FULL JOIN (SELECT shop, \"größe\" FROM spent WHERE snapshot_date = '2024-05-06') s USING (shop, \"größe\")
                WHERE p IS NULL OR s IS NULL";
    assert_eq!(client.value::<i64>(lost), 0, "{what}");
}

#[test]
fn a_key_that_no_longer_fits_its_column_makes_its_whole_day_be_read() {
    for encoding in ENCODINGS {
        let (_database, mut client) = orders(encoding);
        client.run("INSERT INTO placed SELECT 100, k[1], k[3], '2024-05-01', 1000 FROM keys");
        client.run("UPDATE cumulate.note SET key = ARRAY[key[1]]");
        client.run("SELECT cumulate.apply_late('spent')");
        assert_right(&mut client, encoding);
    }
}
