//! Control plane of ContainerDNS.

#![forbid(unsafe_code)]
