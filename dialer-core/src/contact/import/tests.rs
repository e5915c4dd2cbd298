use std::fmt::Write;

use proptest::prelude::*;

use super::*;

type Row = Result<ListedContact, BadRow>;

fn read(list: impl AsRef<[u8]>) -> Vec<Row> {
    let reader = ListReader::new(list.as_ref(), Some("US")).unwrap();
    reader.map(Result::unwrap).collect()
}

fn refused(list: impl AsRef<[u8]>) -> String {
    match ListReader::new(list.as_ref(), Some("US")) {
        Ok(reader) => reader.filter_map(Result::err).map(|error| error.to_string()).collect(),
        Err(error) => error.to_string(),
    }
}

fn good(row: &Row) -> &ListedContact {
    row.as_ref().unwrap()
}

fn bad(row: &Row) -> (u64, Option<&str>, BadReason) {
    let row = row.as_ref().unwrap_err();
    (row.line, row.column.as_deref(), row.reason)
}

#[test]
fn known_columns_are_known_and_the_rest_become_fields() {
    let list = "plan,Number, ID ,name,timezone,\ngold,(555) 000-0001,a1,\"Ng, Ada\",Asia/Shanghai,x\n";
    let rows = read(list);
    assert_eq!(
        rows,
        [Ok(ListedContact {
            line: 2,
            external_id: "a1".into(),
            number: "+15550000001".into(),
            name: "Ng, Ada".into(),
            timezone: Some("Asia/Shanghai".into()),
            owner: None,
            fields: [("plan".to_owned(), "gold".to_owned())].into(),
        })]
    );
}

#[test]
fn an_owner_must_be_an_agent_where_agents_are_known() {
    let list = "id,number,Owner\na,+15550000001, agent1 \nb,+15550000002,\nc,+15550000003,nobody\n";
    let any = read(list);
    assert_eq!(
        (good(&any[2]).owner.as_deref(), &*good(&any[2]).fields["Owner"]),
        (None, "nobody"),
        "a field"
    );
    let elsewhere = ListReader::new(list.as_bytes(), None).unwrap().with_owners("seller", [].into());
    assert!(matches!(elsewhere.err(), Some(ListError::NoOwners(column)) if column == "seller"));
    let known = ["agent1".to_owned()].into();
    let reader = ListReader::new(list.as_bytes(), None).unwrap().with_owners("owner", known).unwrap();
    let rows: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(good(&rows[0]).owner.as_deref(), Some("agent1"));
    assert_eq!((&good(&rows[1]).owner, good(&rows[1]).fields.len()), (&None, 0));
    assert_eq!(bad(&rows[2]), (4, Some("Owner"), BadReason::UnknownOwner));
}

#[test]
fn semicolons_tabs_and_a_byte_order_mark_are_recognised() {
    for delimiter in [',', ';', '\t'] {
        let list = format!("\u{feff}id{delimiter}number\r\na{delimiter}+15550000001\r\n");
        assert_eq!(good(&read(list)[0]).number, "+15550000001", "{delimiter:?}");
    }
    let quoted = "id;number;\"a,b,c,d\"\na;+15550000001;x\n";
    assert_eq!(good(&read(quoted)[0]).fields["a,b,c,d"], "x");
}

#[test]
fn chinese_in_utf_8_is_read_and_in_gbk_is_named() {
    let list = "id,number,name,保单\na,13812345678,王小明,甲\n";
    let mut reader = ListReader::new(list.as_bytes(), Some("CN")).unwrap();
    let contact = reader.next().unwrap().unwrap().unwrap();
    assert_eq!((contact.name.as_str(), contact.number.as_str()), ("王小明", "+8613812345678"));
    assert_eq!(contact.fields["保单"], "甲");

    let header = b"id,number,\xd0\xd5\xc3\xfb\na,+15550000001,x\n";
    assert_eq!(refused(header), "line 1: not UTF-8; save the list as UTF-8 (in Excel: CSV UTF-8)");
    let row = b"id,number,name\na,+15550000001,x\nb,+15550000002,\xcd\xf5\nc,+15550000003,z\n";
    let rows = read(row);
    assert_eq!(bad(&rows[1]), (3, Some("name"), BadReason::Encoding));
    assert_eq!(good(&rows[2]).external_id, "c");
}

#[test]
fn a_wrong_header_names_line_and_column() {
    assert!(refused("").starts_with("line 1: the list is empty"));
    assert!(refused("\n\n").starts_with("line 1: the list is empty"));
    assert!(refused("number,name\n").starts_with("line 1: no column `id`"));
    assert!(refused("id,phone\n").starts_with("line 1: no column `number`"));
    assert_eq!(refused("id,number,x,Number\n"), "line 1, column 4: there are two columns `Number`");
    let mut wide = "id,number".to_owned();
    (0..COLUMNS_MAX - 2).for_each(|column| write!(wide, ",c{column}").unwrap());
    assert_eq!(refused(format!("{wide}\n")), "");
    assert_eq!(refused(format!("{wide},one_more\n")), "line 1: 257 columns; at most 256 are read");
}

#[test]
fn bad_rows_are_told_apart_with_line_column_and_reason() {
    let list = "id,number,name\n\
        ,+15550000001,no id\n\
        b,,no number\n\
        c,911,short\n\
        d,+15550000002\n\
        e,+15550000003,good\n\
        f,hello,x\n";
    let rows = read(list);
    assert_eq!(bad(&rows[0]), (2, Some("id"), BadReason::Empty));
    assert_eq!(bad(&rows[1]), (3, Some("number"), BadReason::Empty));
    assert_eq!(bad(&rows[2]), (4, Some("number"), BadReason::Number(NumberError::Never)));
    assert_eq!(bad(&rows[3]), (5, None, BadReason::Fields { found: 2, expected: 3 }));
    assert_eq!(good(&rows[4]).external_id, "e");
    assert_eq!(bad(&rows[5]), (7, Some("number"), BadReason::Number(NumberError::Format)));
    assert_eq!(rows[2].as_ref().unwrap_err().fields, ["c", "911", "short"]);
}

#[test]
fn lines_are_those_of_the_file() {
    for end in ["\n", "\r\n"] {
        for last in ["", end] {
            let list = "id,number,name||a,+15550000001,\"two|lines\"|||b,911,x|c,+15550000003,\"y\"";
            let list = list.replace('|', end) + last;
            let rows = read(&list);
            assert_eq!(
                (good(&rows[0]).line, good(&rows[0]).name.replace('\r', "")),
                (3, "two\nlines".into())
            );
            assert_eq!(bad(&rows[1]).0, 7);
            assert_eq!(rows[1].as_ref().unwrap_err().fields, ["b", "911", "x"]);
            assert_eq!((good(&rows[2]).line, good(&rows[2]).name.as_str()), (8, "y"));
            assert_eq!(rows.len(), 3);
        }
    }
}

#[test]
fn a_field_may_be_as_long_as_the_limit_and_no_longer() {
    let row = |length: usize| format!("id,number,name\na,+15550000001,{}\n", "x".repeat(length));
    assert_eq!(good(&read(row(FIELD_BYTES_MAX))[0]).name.len(), FIELD_BYTES_MAX);
    assert_eq!(bad(&read(row(FIELD_BYTES_MAX + 1))[0]), (2, Some("name"), BadReason::Long));
}

#[test]
fn a_row_that_does_not_end_is_an_error_before_it_fills_the_memory() {
    let mut list = "id,number,name\na,+15550000001,fine\nb,+15550000002,\"open\n".to_owned();
    list.push_str(&"c,+15550000003,swallowed\n".repeat(100_000));
    let expected = "line 3: the row is longer than 65536 bytes; is a quotation mark left open?";
    assert_eq!(refused(&list), expected);
    assert_eq!(check(list.as_bytes()).unwrap_err().to_string(), expected);
    assert!(check("id,number\na,911\n".as_bytes()).is_ok(), "a bad row is not a bad list");
}

#[test]
fn unknown_zones_are_counted_and_kept_apart_from_absent_ones() {
    let list =
        "id,number,timezone\na,+15550000001,Mars/Base\nb,+15550000002,\nc,+15550000003,Europe/Berlin\n";
    let mut reader = ListReader::new(list.as_bytes(), None).unwrap();
    let zones: Vec<_> = reader.by_ref().map(|row| row.unwrap().unwrap().timezone).collect();
    assert_eq!(zones, [Some("Mars/Base".into()), None, Some("Europe/Berlin".into())]);
    assert_eq!(reader.unknown_zones(), 1);
}

#[test]
fn a_contact_can_be_written_back_in_its_columns() {
    let list = "plan,number,id\ngold,555-000-0001,a\n";
    let mut reader = ListReader::new(list.as_bytes(), Some("US")).unwrap();
    let contact = reader.next().unwrap().unwrap().unwrap();
    let row = reader.columns().duplicate(&contact, DuplicateKey::Number);
    assert_eq!(row.fields, ["gold", "+15550000001", "a"]);
    assert_eq!(
        (row.line, row.column.as_deref(), row.reason),
        (2, Some("number"), BadReason::DuplicateNumber)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut list = b"id,number,name\n".to_vec();
        list.extend(&bytes);
        let _ = read(&list);
        if let Ok(reader) = ListReader::new(bytes.as_slice(), Some("CN")) {
            let _ = reader.count();
        }
    }

    #[test]
    fn every_row_is_good_or_bad(cells in proptest::collection::vec("[a-z0-9+ ]{1,12}", 1..40)) {
        let mut list = "id,number\n".to_owned();
        cells.iter().for_each(|cell| writeln!(list, "x{cell},{cell}").unwrap());
        prop_assert_eq!(read(&list).len(), cells.len());
    }
}
