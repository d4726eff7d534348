//! km, the command line.
#[cfg(test)]
mod probe {
    #[test]
    fn probe() {
        let mut g = schemars::generate::SchemaSettings::draft2020_12()
            .with(|s| s.inline_subschemas = true)
            .into_generator();
        for o in komodo_api::operations() {
            let s = (o.request_schema)(&mut g);
            println!("{} {}", o.name, serde_json::to_string(&s).unwrap());
        }
    }
}
