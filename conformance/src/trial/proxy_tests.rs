use super::*;

/// A service that sends back what it gets.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

/// What comes back for `bytes`: all that came, and whether it ended in good order.
async fn ask(proxy: &Proxy, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(proxy.address).await.expect("the relay listens");
    let mut got = Vec::new();
    let asked = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut got).await
    };
    let ended = asked.await.is_ok();
    (got, ended)
}

#[tokio::test]
async fn bytes_pass() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    let long = vec![7; 300_000];
    let mut stream = TcpStream::connect(proxy.address).await.expect("the relay listens");
    let (mut from, mut to) = stream.split();
    let mut got = vec![0; long.len()];
    let (written, read) = tokio::join!(to.write_all(&long), from.read_exact(&mut got));
    assert!(written.is_ok() && read.is_ok() && got == long);
    assert_eq!(ask(&proxy, b"abc").await, (b"abc".to_vec(), true));
    assert_eq!((proxy.connections(), proxy.faults()), (2, 0));
}

#[tokio::test]
async fn connections_are_refused_and_reset_and_cut() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    for (behaviour, expected) in [
        (Behaviour::Refuse, (vec![], false)),
        (Behaviour::ResetAfter(0), (vec![], false)),
        (Behaviour::LoseAnswer, (vec![], false)),
        (Behaviour::EndAfter(2), (b"ab".to_vec(), true)),
    ] {
        let before = proxy.faults();
        proxy.set(behaviour);
        assert_eq!(ask(&proxy, b"abc").await, expected, "{behaviour:?}");
        assert_eq!(proxy.faults(), before + 1, "{behaviour:?}");
        proxy.set(Behaviour::Pass);
        assert_eq!(ask(&proxy, b"abc").await, (b"abc".to_vec(), true));
    }
}

#[tokio::test]
async fn open_connections_are_hit_too() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    let mut stream = TcpStream::connect(proxy.address).await.expect("the relay listens");
    let mut got = [0; 3];
    stream.write_all(b"abc").await.expect("it goes on");
    stream.read_exact(&mut got).await.expect("it comes back");
    proxy.set(Behaviour::Refuse);
    assert!(stream.read_exact(&mut got).await.is_err());
}

#[tokio::test]
async fn a_stall_ends_with_the_next_behaviour() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    proxy.set(Behaviour::Stall);
    let mut asked = Box::pin(ask(&proxy, b"abc"));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut asked).await.is_err());
    assert_eq!(proxy.faults(), 1);
    proxy.set(Behaviour::Pass);
    assert_eq!(asked.await, (b"abc".to_vec(), true));
}

#[tokio::test]
async fn an_answer_can_be_the_relays_own() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    proxy.set(Behaviour::Status(503, 2));
    for _ in 0..2 {
        let (got, ended) = ask(&proxy, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(ended && got.starts_with(b"HTTP/1.1 503 "), "{got:?}");
    }
    assert_eq!(ask(&proxy, b"abc").await, (b"abc".to_vec(), true));
    assert_eq!(proxy.faults(), 2);
}

#[tokio::test]
async fn bytes_can_be_slow() {
    let proxy = Proxy::start(&echo().await).await.expect("it starts");
    proxy.set(Behaviour::Throttle(1000));
    let begin = std::time::Instant::now();
    assert_eq!(ask(&proxy, &[1; 50]).await.0.len(), 50);
    assert!(begin.elapsed() >= Duration::from_millis(95), "50 bytes each way at 1000 bytes a second");
}
