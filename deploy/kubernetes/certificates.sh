#!/bin/sh
# Certificates for the etcd of this folder: an authority, one certificate for its members and one for
# its clients, as PEM files in a folder. An authority that is there already is kept, so that running
# it again renews the rest. Keep ca.key to yourself.
set -eu
umask 077
mkdir -p "${1:?usage: certificates.sh FOLDER}"
cd "$1"
days=3650

if [ ! -e ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" \
    -subj "/CN=containerdns-etcd-ca" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout ca.key -out ca.crt
fi

# issue FOLDER COMMON-NAME SUBJECT-ALTERNATIVE-NAMES
issue() {
  mkdir -p "$1"
  openssl req -x509 -CA ca.crt -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days "$days" -subj "/CN=$2" -addext "subjectAltName=$3" \
    -addext "basicConstraints=critical,CA:FALSE" -addext "keyUsage=critical,digitalSignature" \
    -addext "extendedKeyUsage=serverAuth,clientAuth" \
    -keyout "$1/tls.key" -out "$1/tls.crt"
  cp ca.crt "$1/ca.crt"
}

issue server containerdns-etcd \
  DNS:containerdns-etcd-0,DNS:containerdns-etcd-1,DNS:containerdns-etcd-2,DNS:localhost,IP:127.0.0.1
issue client containerdns DNS:containerdns
