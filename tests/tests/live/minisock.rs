//! What the tracepoint hides: FIN_WAIT2 and TIME_WAIT in timewait sockets, SYN_RECV in request sockets,
//! measured by each method that the kernel allows.
//!
//! A TIME_WAIT lasts a minute, so all scenes share one: they are played one after the other, before
//! tracers that stand side by side, one a method, and each test judges its scene in its method's
//! trace. What is true comes from the scene's own clock and from a witness that looks at the kernel's
//! list of sockets; the kernel's counters say that a scene is what it means to be.

use tests::method::Method;
use tests::truth::Truth;

/// Makes one test for each method of each scene.
macro_rules! scenes {
    ($($scene:ident),+ $(,)?) => {
        /// The scenes, in the order in which they are played.
        pub(super) const SCENES: &[super::NamedScene] = &[$((stringify!($scene), $scene)),+];

        scenes!(@method fentry Fentry $($scene)+);
        scenes!(@method timer Timer $($scene)+);
        scenes!(@method diag Diag $($scene)+);
    };
    (@method $module:ident $method:ident $($scene:ident)+) => {
        mod $module {
            $(
                #[test]
                fn $scene() {
                    let name = stringify!($scene);
                    crate::minisock::judge(name, tests::method::Method::$method);
                }
            )+
        }
    };
}

mod choice;
mod crowd;
mod early;
mod expiry;
mod half_open;
mod minute;
mod namespace;
mod older;
mod stage;
mod summary;

use stage::Stage;

/// Plays something and tells what happened.
type Scene = fn(&Stage) -> Vec<Truth>;

/// A scene and its name, which is its tests' name too.
type NamedScene = (&'static str, Scene);

/// Demands that a method tells of a scene what happened there.
fn judge(scene: &str, method: Method) {
    minute::with_trace(method, scene, |truths, story| {
        for truth in truths.iter().filter(|truth| truth.is_told_by(method)) {
            truth.is_told(&story.conn(truth.local, truth.remote), method);
        }
    });
}
