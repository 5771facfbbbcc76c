//! Decides whether this build has the kernels for x86-64: `cfg(x86_kernels)`. They are left out on other processors, and
//! where TERCET_PORTABLE is set, which builds what any other processor gets.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(x86_kernels)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TERCET_PORTABLE");
    let x86 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if x86 && std::env::var_os("TERCET_PORTABLE").is_none_or(|set| set.is_empty()) {
        println!("cargo::rustc-cfg=x86_kernels");
    }
}
