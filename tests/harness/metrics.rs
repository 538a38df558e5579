//! The Prometheus text of /metrics, read as far as scenarios need: name, value.

/// All samples.
pub(crate) struct Metrics(Vec<Sample>);

/// One line.
struct Sample {
    name: String,
    value: f64,
}

impl Metrics {
    /// Reads the text format; a line that is none of it fails the test.
    pub(crate) fn parse(text: &str) -> Metrics {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Metrics(lines.map(Sample::parse).collect())
    }

    /// The values of all samples called `name`, whatever their labels; panics when there is none.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        let named = self.0.iter().filter(|sample| sample.name == name);
        let values: Vec<f64> = named.map(|sample| sample.value).collect();
        assert!(
            !values.is_empty(),
            "no metric {name}; there are: {}",
            self.names()
        );
        values
    }

    /// The sum over all samples called `name`.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.values(name).iter().sum()
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|sample| sample.name.as_str()).collect();
        names.dedup();
        names.join(" ")
    }
}

impl Sample {
    fn parse(line: &str) -> Sample {
        let (series, value) = line.rsplit_once(' ').expect("a metric line has a value");
        let name = series.split('{').next().unwrap_or(series);
        let value = value
            .parse()
            .unwrap_or_else(|_| panic!("metric value in {line:?}"));
        Sample {
            name: name.to_owned(),
            value,
        }
    }
}
