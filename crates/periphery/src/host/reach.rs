//! Whether an address is that of this host, asked from within the network of a container, from where nobody tells.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use tokio::{net::TcpSocket, time::timeout};

/// Time for one hop.
const HOP_DEADLINE: Duration = Duration::from_secs(1);
/// A port (*discard*) on which hardly anybody listens, and which hardly any container publishes.
const PROBED_PORT: u16 = 9;

/// Whether an address is the host's. From a container the host is the gateway, and whatever other addresses it has are
/// reached in one hop; what lies behind it takes two. Where nothing answers at all a firewall of the host itself is the
/// likeliest reason, and to protect one container too many the lesser evil.
pub async fn is_this_host(ip: IpAddr, proc: &Path) -> bool {
    let ip = ip.to_canonical();
    if let IpAddr::V4(ip) = ip {
        let routes = std::fs::read_to_string(proc.join("self/net/route")).unwrap_or_default();
        match next_hop(&routes, ip) {
            NextHop::OnLink { is_gateway } => return is_gateway,
            NextHop::None => return false,
            NextHop::Gateway => {}
        }
    }
    match timeout(HOP_DEADLINE, one_hop(ip)).await {
        Ok(Ok(())) | Err(_) => true,
        Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

async fn one_hop(ip: IpAddr) -> io::Result<()> {
    let socket = match ip {
        IpAddr::V4(_) => {
            let socket = TcpSocket::new_v4()?;
            rustix::net::sockopt::set_ip_ttl(&socket, 1)?;
            socket
        }
        IpAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            rustix::net::sockopt::set_ipv6_unicast_hops(&socket, Some(1))?;
            socket
        }
    };
    socket
        .connect(SocketAddr::new(ip, PROBED_PORT))
        .await
        .map(drop)
}

/// Where a packet goes first.
#[derive(Debug, PartialEq, Eq)]
enum NextHop {
    /// Straight to the address, which may be that of a gateway.
    OnLink { is_gateway: bool },
    /// To a gateway.
    Gateway,
    /// Nowhere.
    None,
}

/// Reads `/proc/self/net/route`; numbers there are those of the network, written as the machine reads them.
fn next_hop(routes: &str, ip: Ipv4Addr) -> NextHop {
    let number = |text: &str| Some(u32::from_be(u32::from_str_radix(text, 16).ok()?));
    let routes: Vec<(u32, u32, u32)> = routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let field = |at: usize| number(fields.get(at)?);
            Some((field(1)?, field(2)?, field(7)?))
        })
        .collect();
    let ip = u32::from(ip);
    let best = routes
        .iter()
        .filter(|(destination, _, mask)| ip & mask == *destination)
        .max_by_key(|(_, _, mask)| *mask);
    match best {
        None => NextHop::None,
        Some((_, 0, _)) => NextHop::OnLink {
            is_gateway: routes.iter().any(|(_, gateway, _)| *gateway == ip),
        },
        Some(_) => NextHop::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded in a container on a bridge network, 198.18.13.2/24 behind 198.18.13.1.
    const BRIDGE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010D12C6\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000D12C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    fn the_way_of_a_packet() {
        let at = |ip: &str| next_hop(BRIDGE, ip.parse().unwrap());
        assert_eq!(at("198.18.13.1"), NextHop::OnLink { is_gateway: true });
        assert_eq!(at("198.18.13.7"), NextHop::OnLink { is_gateway: false });
        assert_eq!(at("192.168.1.10"), NextHop::Gateway);
        assert_eq!(next_hop("", Ipv4Addr::new(10, 0, 0, 1)), NextHop::None);
        // Through a tunnel: on the link, and no gateway anywhere.
        let tunnel = "Iface\ntun0 00000000 00000000 0001 0 0 0 00000000";
        assert_eq!(
            next_hop(tunnel, Ipv4Addr::new(10, 0, 0, 1)),
            NextHop::OnLink { is_gateway: false }
        );
    }

    /// What this machine has itself takes no hop, and refuses.
    #[tokio::test]
    async fn what_refuses_within_one_hop_is_the_host() {
        let error = one_hop(Ipv4Addr::LOCALHOST.into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
