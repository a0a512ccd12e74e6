//! `spec.ingress` and `spec.monitoring`.

use vaultyard_model::cluster::{
    self, Collector, Front, GoogleLoadBalancer, GoogleName, Guarded, Network, Way,
};

use super::{optional, values};
use crate::document::{FrontTls, Gce, Ingress, Monitoring, Proxy, SharedGateway};
use crate::scalar::Misread;

pub(super) fn ingress(ingress: &Ingress) -> Result<cluster::Ingress, Misread> {
    let proxy: &Proxy = &ingress.proxy;
    Ok(cluster::Ingress {
        proxy: cluster::Proxy {
            max_in_flight: proxy.max_in_flight,
            hold: proxy.hold.value()?,
            max_held: proxy.max_held,
            max_held_bytes: proxy.max_held_bytes.value()?.0,
            trusted_proxies: values::<Network>(&proxy.trusted_proxies)?,
            proxy_protocol: proxy.proxy_protocol,
            open: values::<Guarded>(&proxy.open)?,
        },
        front: way(ingress)?.map(|way| front(ingress, way)).transpose()?,
    })
}

/// What traffic comes in by, if anything.
pub(crate) fn way(ingress: &Ingress) -> Result<Option<Way>, Misread> {
    if let Some(class) = &ingress.class_name {
        return Ok(Some(Way::Ingress { class: class.value()? }));
    }
    let Some(gateway_api) = &ingress.gateway_api else {
        return Ok(None);
    };
    if let Some(class) = &gateway_api.gateway_class_name {
        return Ok(Some(Way::Gateway { class: class.value()? }));
    }
    let shared = |gateway: &SharedGateway| {
        Ok(Way::SharedGateway {
            name: gateway.name.value()?,
            namespace: optional(&gateway.namespace)?,
            listener: optional(&gateway.listener)?,
        })
    };
    gateway_api.gateway.as_ref().map(shared).transpose()
}

/// With which certificate clients are answered.
pub(crate) fn front_tls(tls: &FrontTls) -> Result<cluster::FrontTls, Misread> {
    Ok(if let Some(name) = &tls.secret_name {
        cluster::FrontTls::Secret(name.value()?)
    } else if let Some(names) = &tls.pre_shared_certificates {
        cluster::FrontTls::PreShared(values::<GoogleName>(names)?)
    } else if tls.passthrough.is_some() {
        cluster::FrontTls::Passthrough
    } else {
        cluster::FrontTls::OwnCertificate
    })
}

fn front(ingress: &Ingress, way: Way) -> Result<Front, Misread> {
    let google = way.is_of_google() || ingress.gce.is_some();
    let default = Gce::default();
    let gce = ingress.gce.as_ref().unwrap_or(&default);
    Ok(Front {
        tls: front_tls(&ingress.tls)?,
        annotations: ingress.annotations.clone(),
        google: google.then(|| load_balancer(gce)).transpose()?,
        way,
    })
}

fn load_balancer(gce: &Gce) -> Result<GoogleLoadBalancer, Misread> {
    Ok(GoogleLoadBalancer {
        static_address: optional(&gce.static_ip_name)?,
        ssl_policy: optional(&gce.ssl_policy)?,
        security_policy: optional(&gce.security_policy)?,
        connection_draining: optional(&gce.connection_draining)?,
    })
}

pub(super) fn monitoring(monitoring: &Monitoring) -> Result<cluster::Monitoring, Misread> {
    let collector = match (&monitoring.pod_monitoring, &monitoring.pod_monitor) {
        (Some(_), _) => Some(Collector::Google),
        (None, Some(monitor)) => Some(Collector::Operator {
            labels: monitor.labels.clone(),
            namespace: optional(&monitor.namespace)?,
        }),
        (None, None) => None,
    };
    Ok(cluster::Monitoring {
        collector,
        alerts: monitoring.alerts,
        dashboard: monitoring.dashboard,
    })
}
