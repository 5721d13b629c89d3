//! Growth curves as a plain SVG: panels side by side, logarithmic to the right, from zero upwards.

use std::fmt::Write;

pub struct Panel {
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub curves: Vec<Curve>,
}

pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Panel {
    pub fn new(title: &'static str, x: &'static str, y: &'static str) -> Panel {
        Panel { title, x, y, curves: Vec::new() }
    }
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 240.0;
/// Room around the curves of a panel: left, right, above, below.
const MARGINS: (f64, f64, f64, f64) = (48.0, 16.0, 34.0, 44.0);
const COLOURS: [&str; 4] = ["#0b6e99", "#d9730d", "#6940a5", "#0f7b6c"];

/// All panels in one picture.
pub fn svg(panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" \
         width=\"{width}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        draw(&mut svg, panel, WIDTH * index as f64);
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, panel: &Panel, left: f64) {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let top = ceiling(points().map(|point| point.1).fold(0.0, f64::max));
    let (first, last) =
        points().fold((f64::INFINITY, 1.0_f64), |(low, high), point| (low.min(point.0), high.max(point.0)));
    let span = (last / first).log10().max(f64::EPSILON);
    let (inner, outer) = (left + MARGINS.0, left + WIDTH - MARGINS.1);
    let (ceiling, floor) = (MARGINS.2, HEIGHT - MARGINS.3);
    let x = |value: f64| inner + (value / first).log10() / span * (outer - inner);
    let y = |value: f64| floor - value / top * (floor - ceiling);
    let mut text = |x: f64, y: f64, anchor: &str, colour: &str, words: &str| {
        let _ =
            writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>");
    };
    text(inner, 14.0, "start", "#111111", &format!("{}: {}", panel.title, panel.y));
    text((inner + outer) / 2.0, HEIGHT - 10.0, "middle", "#444444", panel.x);
    for tick in 0..=4 {
        let value = top * f64::from(tick) / 4.0;
        text(inner - 5.0, y(value) + 3.0, "end", "#444444", &number(value));
    }
    let mut marked: Vec<f64> = points().map(|point| point.0).collect();
    marked.sort_by(f64::total_cmp);
    marked.dedup();
    for value in &marked {
        text(x(*value), floor + 14.0, "middle", "#444444", &number(*value));
    }
    for (index, curve) in panel.curves.iter().enumerate() {
        text(outer, MARGINS.2 - 6.0 + 12.0 * index as f64, "end", COLOURS[index % COLOURS.len()], &curve.name);
    }
    for tick in 0..=4 {
        let at = y(top * f64::from(tick) / 4.0);
        let _ = writeln!(svg, "<path d=\"M{inner:.1} {at:.1}H{outer:.1}\" stroke=\"#dddddd\" fill=\"none\"/>");
    }
    for (index, curve) in panel.curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let places: Vec<String> = curve.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"1.5\" fill=\"none\"/>",
            places.join(" ")
        );
        for (at_x, at_y) in &curve.points {
            let _ =
                writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>", x(*at_x), y(*at_y));
        }
    }
}

/// The next of 1, 2, 4, 5, 8 or 10 times a power of ten.
fn ceiling(value: f64) -> f64 {
    let power = 10.0_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0, 10.0].iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{:.0}k", value / 1e3),
        value => format!("{}", (value * 100.0).round() / 100.0),
    }
}
