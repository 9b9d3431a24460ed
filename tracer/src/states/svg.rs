//! The state machine as one self-contained SVG: no script, no outside font, light and dark.
//!
//! **Never:** a coordinate of a state or an arrow; they stand in `layout`.

mod layout;
mod path;

use std::fmt::Write as _;

use super::Style;
use super::drawn::{find, has_undrawn_abort, is_dashed, note_number, noted, undrawn};
use super::transitions::{Part, Shown, TRANSITIONS, Transition};
use super::wrap::wrap;
use crate::model::TcpState;
use layout::{
    AREAS, BOX_HEIGHT, BOX_WIDTH, BOXES, CAPTIONS, LEGEND, LINE_HEIGHT, Label, Point, ROUTES,
    Route, WIDTH,
};
use path::rounded;

const CSS: &str = "\
svg{--paper:#fff;--text:#1c2330;--faint:#5b6577;--box:#f6f8fb;--rim:#8b95a7;\
--active:#1d5fd1;--passive:#0b7a4b;--abort:#c0342b;color-scheme:light dark}\
@media (prefers-color-scheme:dark){svg{--paper:#12161d;--text:#e6eaf2;--faint:#9aa5b8;\
--box:#1d2430;--rim:#64708a;--active:#7fb0ff;--passive:#5fd39b;--abort:#ff8a80}}\
.paper{fill:var(--paper)}\
text{font:14px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;\
fill:var(--text)}\
.head{font-size:21px;font-weight:600}.faint{fill:var(--faint)}\
.caption{font-size:13px;font-weight:600;letter-spacing:.04em}\
.name{font:600 17px ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;\
text-anchor:middle}\
.box{fill:var(--box);stroke:var(--rim);stroke-width:1.5}\
.line{fill:none;stroke-width:2}.dashed{stroke-dasharray:2 6;stroke-linecap:round}\
.area{stroke:none;opacity:.09}\
.active .line{stroke:var(--active)}.passive .line{stroke:var(--passive)}\
.abort .line{stroke:var(--abort)}\
.active text,.active .solid{fill:var(--active)}.passive text,.passive .solid{fill:var(--passive)}\
.abort text,.abort .solid{fill:var(--abort)}\
.mark{stroke:var(--paper);stroke-width:2}.cross{stroke:var(--paper);stroke-width:2;\
stroke-linecap:round}\
.end{text-anchor:end}.middle{text-anchor:middle}.note{font-size:13px}";

/// Returns the state machine as an SVG document.
pub fn svg(style: &Style) -> String {
    let (legend, height) = legend(style, LEGEND);
    let mut page = String::new();
    push(
        &mut page,
        &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title desc\">"
        ),
    );
    let title = "The states of a TCP connection on Linux";
    push(&mut page, &format!("<title id=\"title\">{title}</title>"));
    push(
        &mut page,
        &format!("<desc id=\"desc\">{}</desc>", escape(&description(style))),
    );
    push(&mut page, &format!("<style>{CSS}</style>"));
    push(&mut page, &format!("<defs>{}</defs>", heads()));
    push(
        &mut page,
        &format!("<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>"),
    );
    push(
        &mut page,
        &format!("<text class=\"head\" x=\"62\" y=\"48\">{title}</text>"),
    );
    let subtitle = "and which of their changes the tracepoint sock:inet_sock_set_state shows";
    push(
        &mut page,
        &format!("<text class=\"faint\" x=\"62\" y=\"70\">{subtitle}</text>"),
    );
    push_areas(&mut page);
    for route in &ROUTES {
        push_route(&mut page, style, route);
    }
    for (state, middle) in BOXES {
        push_box(&mut page, style, state, middle);
    }
    page.push_str(&legend);
    push(&mut page, "</svg>");
    page
}

fn push(page: &mut String, line: &str) {
    page.push_str(line);
    page.push('\n');
}

fn push_areas(page: &mut String) {
    for (name, part, outline, (x, y)) in AREAS {
        let class = class(part);
        let mut outline = outline.to_vec();
        // Closed in the middle of its first side, so that every corner is a bend.
        let middle = ((outline[0].0 + outline[1].0) / 2, outline[0].1);
        outline.rotate_left(1);
        outline.insert(0, middle);
        outline.push(middle);
        let path = rounded(&outline);
        push(
            page,
            &format!(
                "<g class=\"{class}\"><path class=\"solid area\" d=\"{path}Z\"/>\
             <text class=\"caption end\" x=\"{x}\" y=\"{y}\">{name}</text></g>"
            ),
        );
    }
    for (name, part, anchor, (x, y)) in CAPTIONS {
        let class = class(part);
        push(
            page,
            &format!(
                "<g class=\"{class}\"><text class=\"caption {anchor}\" x=\"{x}\" y=\"{y}\">{name}</text></g>"
            ),
        );
    }
}

fn push_route(page: &mut String, style: &Style, (from, to, points, label): &Route) {
    let Some(step) = find(*from, *to) else { return };
    let class = class(step.part);
    let dashed = if is_dashed(step) { " dashed" } else { "" };
    let path = rounded(points);
    push(
        page,
        &format!(
            "<g class=\"{class}\"><title>{}</title>\
         <path class=\"line{dashed}\" marker-end=\"url(#{class}-head)\" d=\"{path}\"/>",
            escape(&sentence(style, step))
        ),
    );
    let cause = match note_number(step) {
        Some(number) => format!("{} ({number})", step.cause),
        None => step.cause.to_owned(),
    };
    let sends = step.sends.map(|segment| format!("sends {segment}"));
    let (anchor, (x, mut y)) = match *label {
        Label::Start(at) => ("start", at),
        Label::Middle(at) => ("middle", at),
        Label::End(at) => ("end", at),
    };
    for text in [Some(cause), sends].into_iter().flatten() {
        let text = escape(&text);
        push(
            page,
            &format!("<text class=\"{anchor}\" x=\"{x}\" y=\"{y}\">{text}</text>"),
        );
        y += LINE_HEIGHT;
    }
    push(page, "</g>");
}

fn push_box(page: &mut String, style: &Style, state: TcpState, (x, y): Point) {
    let (left, top) = (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2);
    let name = style.name(state);
    push(
        page,
        &format!(
            "<g><rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{BOX_WIDTH}\" \
         height=\"{BOX_HEIGHT}\" rx=\"10\"/>\
         <text class=\"name\" x=\"{x}\" y=\"{}\">{name}</text></g>",
            y + 6
        ),
    );
    if has_undrawn_abort(state) {
        push(page, &mark((left + BOX_WIDTH - 2, top + 2)));
    }
}

/// Returns the sign of a state that may end by a reset or a timeout.
fn mark((x, y): Point) -> String {
    let (left, right, top, bottom) = (x - 4, x + 4, y - 4, y + 4);
    format!(
        "<g class=\"abort\"><circle class=\"solid mark\" cx=\"{x}\" cy=\"{y}\" r=\"10\"/>\
         <path class=\"cross\" d=\"M{left} {top}L{right} {bottom}M{right} {top}L{left} {bottom}\"/></g>"
    )
}

/// Returns what the signs mean, from `top` downwards, and the height of the whole picture.
fn legend(style: &Style, top: i32) -> (String, i32) {
    let mut page = String::new();
    let mut y = top;
    let signs = [
        (Part::ActiveOpen, "", "this side acts first"),
        (Part::PassiveOpen, "", "the peer acts first"),
        (Part::Abort, "", "neither: refused, reset, timed out"),
    ];
    let mut x = 62;
    for (part, dashed, text) in signs {
        push(&mut page, &sample((x, y), part, dashed, text));
        x += 250;
    }
    y += 28;
    let dashed = "not shown by the tracepoint, whatever the colour";
    push(
        &mut page,
        &sample((62, y), Part::ActiveClose, " dashed", dashed),
    );
    push(&mut page, &mark((512, y - 5)));
    let also = style.fill("also goes to {CLOSE}: by a reset, a timeout or an abort");
    push(
        &mut page,
        &format!("<text x=\"532\" y=\"{y}\">{}</text>", escape(&also)),
    );
    y += 36;
    for (number, step) in noted().enumerate() {
        let text = format!("({}) {}", number + 1, sentence(style, step));
        for line in wrap(&text, 128) {
            let line = escape(&line);
            let _ = writeln!(
                page,
                "<text class=\"note faint\" x=\"62\" y=\"{y}\">{line}</text>"
            );
            y += LINE_HEIGHT;
        }
        y += 4;
    }
    for step in undrawn() {
        let text = escape(&format!("Not drawn: {}", sentence(style, step)));
        let _ = writeln!(
            page,
            "<text class=\"note faint\" x=\"62\" y=\"{y}\">{text}</text>"
        );
        y += LINE_HEIGHT;
    }
    (page, y + 24)
}

fn sample((x, y): Point, part: Part, dashed: &str, text: &str) -> String {
    let class = class(part);
    let (end, middle, words) = (x + 46, y - 5, x + 58);
    format!(
        "<g class=\"{class}\"><path class=\"line{dashed}\" marker-end=\"url(#{class}-head)\" \
         d=\"M{x} {middle}H{end}\"/></g><text x=\"{words}\" y=\"{y}\">{text}</text>"
    )
}

/// Returns a transition in words.
fn sentence(style: &Style, step: &Transition) -> String {
    let (from, to) = (style.name(step.from), style.name(step.to));
    let how = match step.shown {
        Shown::Yes => String::new(),
        Shown::Partly(how) => format!(". In part on the tracepoint: {how}"),
        Shown::No(how) => format!(". Not on the tracepoint: {how}"),
    };
    style.fill(&format!("{from} → {to}: {}{how}.", step.event))
}

/// Returns the whole table in words, for those who do not see the picture.
fn description(style: &Style) -> String {
    let sentences: Vec<String> = TRANSITIONS
        .iter()
        .map(|step| sentence(style, step))
        .collect();
    sentences.join(" ")
}

fn class(part: Part) -> &'static str {
    match part {
        Part::ActiveOpen | Part::ActiveClose => "active",
        Part::PassiveOpen | Part::PassiveClose => "passive",
        Part::Abort => "abort",
    }
}

/// Returns an arrow head for each colour; its tip is the end of the line.
fn heads() -> String {
    let head = |class: &str| {
        format!(
            "<marker id=\"{class}-head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
             markerWidth=\"11\" markerHeight=\"11\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
             <g class=\"{class}\"><path class=\"solid\" d=\"M0 0L10 5L0 10L2.5 5Z\"/></g></marker>"
        )
    };
    ["active", "passive", "abort"].map(head).concat()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Naming;

    #[test]
    fn the_document_is_well_formed_and_needs_nothing_from_elsewhere() {
        for names in [Naming::Netstat, Naming::Ss, Naming::Rfc] {
            let style = Style {
                names,
                ..Style::default()
            };
            let page = svg(&style);
            let mut open = Vec::new();
            for tag in page.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').expect("a closed tag");
                let name = tag.split([' ', '/']).next().expect("a name");
                match tag.strip_prefix('/') {
                    Some(closed) => assert_eq!(open.pop(), Some(closed)),
                    None if tag.ends_with('/') => {}
                    None => open.push(name),
                }
                assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            }
            assert_eq!(open, [""; 0]);
            for outside in ["<script", "href", "@import", "<image", "url(http"] {
                assert!(!page.contains(outside), "{outside}");
            }
            for state in TcpState::ALL {
                assert!(
                    page.contains(&format!(">{}</text>", style.name(state))),
                    "{state}"
                );
            }
            assert!(page.contains("<title id=\"title\">") && page.contains("<desc id=\"desc\">"));
            assert!(page.contains("prefers-color-scheme:dark"));
        }
    }

    #[test]
    fn a_text_is_escaped() {
        assert_eq!(escape("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
    }
}
