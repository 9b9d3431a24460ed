//! What the path of a cgroup tells: the systemd unit, the container and the pod that a process belongs to.
//!
//! **Never:** a question to whoever runs them: a path is read as systemd and the container runtimes make it, and
//! what looks otherwise tells nothing.
//!
//! Paths come in two styles, by who makes the cgroups. With systemd, a container is a scope and a pod a slice:
//! `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f….slice/cri-containerd-9c….scope`. Without
//! ("cgroupfs"), both are directories: `/kubepods/burstable/pod1f…/9c…`. Of containers in containers, and units in
//! units, the innermost counts.

use std::borrow::Cow;

/// What a process belongs to, in the words of its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload<'a> {
    /// The systemd unit, as `systemctl` takes it: a service, a scope, a socket, a mount. Of a process in a container it
    /// is one of the container's own systemd, or the service that is this container.
    pub unit: Option<&'a str>,
    /// The container.
    pub container: Option<Container<'a>>,
    /// The uid of the Kubernetes pod, with dashes; of a static pod, a hash without.
    pub pod: Option<Cow<'a, str>>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// What runs it, where the path says so.
    pub runtime: Option<&'static str>,
    /// Its id: 64 hexadecimal digits.
    pub id: &'a str,
}

/// What stands before a container's id, and what that says of the runtime.
///
/// `crio-conmon-` and `libpod-conmon-` are not among them: a process of the host that looks after the container.
const RUNTIMES: [(&str, &str); 6] = [
    ("docker", "docker"),
    ("cri-containerd", "containerd"),
    ("nerdctl", "containerd"),
    ("crio", "cri-o"),
    ("libpod", "podman"),
    (SPLIT, "podman"),
];

/// What stands before the id where a service is the container: podman makes its cgroup below the service's.
const SPLIT: &str = "libpod-payload";

/// Kinds of units that have processes.
const UNITS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

impl<'a> Workload<'a> {
    /// Reads a path as `/proc/PID/cgroup` prints it.
    pub fn of(cgroup: &'a str) -> Self {
        let mut workload = Self::default();
        let mut parent = "";
        let mut is_in_kubepods = false;
        for component in cgroup.split('/') {
            if let Some((marker, id)) = container(component) {
                let known = |mark: &str| RUNTIMES.iter().find(|(before, _)| *before == mark);
                let mark = if marker.is_empty() { parent } else { marker };
                // Units above are of whoever runs the container.
                if marker != SPLIT {
                    workload.unit = None;
                }
                workload.container = Some(Container {
                    runtime: known(mark).map(|(_, runtime)| *runtime),
                    id,
                });
            } else if let Some(unit) = unit(component) {
                workload.unit = Some(unit);
            }
            if let Some(uid) = pod(component, is_in_kubepods) {
                workload.pod = Some(uid);
            }
            is_in_kubepods |= component == "kubepods";
            parent = component;
        }
        workload
    }
}

/// Reads a component as a container: what stands before its id, or nothing, and the id.
fn container(component: &str) -> Option<(&str, &str)> {
    // Where the kubelet and the runtime disagree about who makes cgroups: `kubepods-….slice:cri-containerd:9c…`.
    // Nearly all have no colon, and to look for one takes no time.
    if component.contains(':')
        && let Some((_, named)) = component.split_once(".slice:")
    {
        let (marker, id) = named.split_once(':')?;
        return (is_runtime(marker) && is_id(id)).then_some((marker, id));
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    match name.rsplit_once('-') {
        Some((marker, id)) => (is_runtime(marker) && is_id(id)).then_some((marker, id)),
        // Nothing else has such a name.
        None => is_id(component).then_some(("", component)),
    }
}

fn is_runtime(marker: &str) -> bool {
    RUNTIMES.iter().any(|(before, _)| *before == marker)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(is_digit)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Reads a component as a unit.
fn unit(component: &str) -> Option<&str> {
    // What would be the name of one of the kernel's own files (`memory.service`, beside `memory.max`) has a `_`
    // before it (`cg_escape` of systemd).
    let name = component.strip_prefix('_').unwrap_or(component);
    let has_stem = |kind: &str| name.strip_suffix(kind).is_some_and(|stem| !stem.is_empty());
    UNITS.into_iter().any(has_stem).then_some(name)
}

/// Reads a component as a pod, and returns its uid.
fn pod(component: &str, is_in_kubepods: bool) -> Option<Cow<'_, str>> {
    let name = component.split(':').next().unwrap_or(component);
    let uid = match name.strip_suffix(".slice") {
        Some(slice) => {
            let (class, uid) = slice.rsplit_once("-pod")?;
            let class = ["-burstable", "-besteffort"]
                .iter()
                .find_map(|quality| class.strip_suffix(quality))
                .unwrap_or(class);
            // `kubelet-kubepods` where the kubelet's own root is `kubelet.slice`.
            let is_kubepods = class == "kubepods" || class.ends_with("-kubepods");
            is_kubepods.then_some(uid)?
        }
        None => name.strip_prefix("pod").filter(|_| is_in_kubepods)?,
    };
    let uid = match uid.contains('_') {
        true => Cow::Owned(uid.replace('_', "-")),
        false => Cow::Borrowed(uid),
    };
    let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
    let is_whole = matches!(lengths[..], [32] | [8, 4, 4, 4, 12]);
    let is_uid = uid.bytes().all(|byte| byte == b'-' || is_digit(byte));
    (is_whole && is_uid).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "9c1e6a8b0f2d4c6e8a0b2c4d6e8f0a1b3c5d7e9f1a3b5c7d9e0f2a4b6c8d0e1f";
    const B: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const POD: &str = "1f2e3d4c-5b6a-4978-8796-a5b4c3d2e1f0";

    /// Reads a path in which `A` and `B` are ids, `P` is a pod's uid and `U` the same with underlines; returns what it
    /// tells in one line.
    fn told(path: &str) -> String {
        let path: Vec<String> = path
            .split('/')
            .map(|component| {
                component
                    .replace("{A}", A)
                    .replace("{B}", B)
                    .replace("{P}", POD)
                    .replace("{U}", &POD.replace('-', "_"))
            })
            .collect();
        let path = path.join("/");
        let Workload {
            unit,
            container,
            pod,
        } = Workload::of(&path);
        let container = container.map(|Container { runtime, id }| {
            let id = match id {
                A => "A",
                B => "B",
                id => id,
            };
            format!("{} {id}", runtime.unwrap_or("?"))
        });
        let pod = pod.map(|uid| match uid {
            uid if uid == POD => "pod".to_owned(),
            uid => format!("pod {uid}"),
        });
        let told: Vec<String> = [unit.map(str::to_owned), container, pod]
            .into_iter()
            .flatten()
            .collect();
        told.join(", ")
    }

    fn demand(table: &[(&str, &str)]) {
        for (path, wanted) in table {
            assert_eq!(told(path), *wanted, "{path}");
        }
    }

    #[test]
    fn units() {
        demand(&[
            ("/system.slice/nginx.service", "nginx.service"),
            ("/system.slice/nginx.service/worker", "nginx.service"),
            (
                "/system.slice/system-postgresql.slice/postgresql@15-main.service",
                "postgresql@15-main.service",
            ),
            ("/init.scope", "init.scope"),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                "session-3.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
                "x.service",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-1234.scope",
                "app-gnome-firefox-1234.scope",
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope",
                "init.scope",
            ),
            ("/system.slice/dbus.socket", "dbus.socket"),
            // Names as `systemctl` takes them.
            (
                r"/system.slice/system-serial\x2dgetty.slice/serial-getty@ttyS0.service",
                "serial-getty@ttyS0.service",
            ),
            (
                r"/machine.slice/machine-debian\x2d12.scope",
                r"machine-debian\x2d12.scope",
            ),
            (
                r"/system.slice/dev-disk-by\x2duuid-1.swap",
                r"dev-disk-by\x2duuid-1.swap",
            ),
            ("/system.slice/_memory.service", "memory.service"),
        ]);
    }

    #[test]
    fn containers() {
        demand(&[
            ("/docker/{A}", "docker A"),
            ("/system.slice/docker-{A}.scope", "docker A"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/docker-{A}.scope",
                "docker A",
            ),
            (
                "/system.slice/docker-{A}.scope/init.scope",
                "init.scope, docker A",
            ),
            (
                "/docker/{A}/system.slice/nginx.service",
                "nginx.service, docker A",
            ),
            ("/actions_job/{A}", "? A"),
            ("/ecs/0123456789abcdef0123456789abcdef/{A}", "? A"),
            ("/machine.slice/libpod-{A}.scope", "podman A"),
            ("/machine.slice/libpod-{A}.scope/container", "podman A"),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container",
                "podman A",
            ),
            ("/libpod_parent/libpod-{A}", "podman A"),
            (
                "/system.slice/shop.service/libpod-payload-{A}",
                "shop.service, podman A",
            ),
            ("/system.slice/nerdctl-{A}.scope", "containerd A"),
        ]);
    }

    #[test]
    fn pods() {
        demand(&[
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{U}.slice/cri-containerd-{A}.scope",
                "containerd A, pod",
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{U}.slice/crio-{A}.scope",
                "cri-o A, pod",
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{U}.slice/crio-{A}.scope/container",
                "cri-o A, pod",
            ),
            // Guaranteed.
            (
                "/kubepods.slice/kubepods-pod{U}.slice/docker-{A}.scope",
                "docker A, pod",
            ),
            ("/kubepods/burstable/pod{P}/{A}", "? A, pod"),
            ("/kubepods/pod{P}/{A}", "? A, pod"),
            ("/kubepods/besteffort/pod{P}/crio-{A}", "cri-o A, pod"),
            // The pod itself.
            ("/kubepods/besteffort/pod{P}", "pod"),
            // Static, of the kubelet's own files.
            (
                "/kubepods/burstable/pod7c4c7d4d1c5f5a0b7c4c7d4d1c5f5a0b/{A}",
                "? A, pod 7c4c7d4d1c5f5a0b7c4c7d4d1c5f5a0b",
            ),
            (
                "/system.slice/containerd.service/kubepods-burstable-pod{U}.slice:cri-containerd:{A}",
                "containerd A, pod",
            ),
        ]);
    }

    #[test]
    fn the_innermost_counts() {
        demand(&[
            ("/docker/{A}/docker/{B}", "docker B"),
            (
                "/system.slice/docker-{A}.scope/libpod-{B}.scope",
                "podman B",
            ),
            // kind: a node that is a container.
            (
                "/docker/{A}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
                 kubelet-kubepods-burstable-pod{U}.slice/cri-containerd-{B}.scope",
                "containerd B, pod",
            ),
            (
                "/system.slice/docker-{A}.scope/kubelet/kubepods/besteffort/pod{P}/{B}",
                "? B, pod",
            ),
            (
                "/docker/{A}/system.slice/containerd.service",
                "containerd.service, docker A",
            ),
            // A pod that runs docker.
            ("/kubepods/burstable/pod{P}/{A}/docker/{B}", "docker B, pod"),
        ]);
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        demand(&[
            ("", ""),
            ("/", ""),
            ("/system.slice", ""),
            ("/user.slice/user-1000.slice", ""),
            ("/docker", ""),
            ("/system.slice/docker.service", "docker.service"),
            ("/system.slice/containerd.service", "containerd.service"),
            ("/docker/9c1e6a8b0f2d", ""),
            (
                "/system.slice/docker-9c1e6a8b0f2d.scope",
                "docker-9c1e6a8b0f2d.scope",
            ),
            ("/docker/{A}0", ""),
            ("/system.slice/.service", ""),
            // No pod of Kubernetes.
            ("/pod{P}", ""),
            ("/shop.slice/shop-pod{U}.slice", ""),
            ("/kubepods/burstable/podcast", ""),
            ("/kubepods/pod1f2e3d4c-5b6a-4978-8796-a5b4c3d2e1fg", ""),
            ("/kubepods/pod1f2e3d4c5b6a-4978-8796-a5b4-c3d2e1f0", ""),
        ]);
        for helper in ["libpod-conmon", "crio-conmon"] {
            let unit = format!("{helper}-{A}.scope");
            let path = format!("/machine.slice/{unit}");
            let workload = Workload::of(&path);
            assert_eq!(workload.container, None);
            assert_eq!(workload.unit, Some(unit.as_str()));
        }
        let upper = format!("/docker/{}", A.to_uppercase());
        assert_eq!(Workload::of(&upper), Workload::default());
    }
}
