//! `tokio-tungstenite` as a client, on one thread: tungstenite_client PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
//!
//! Answers are fed to the sink as long as messages are at hand, and flushed when there are none: one write per read.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const LIMIT: usize = 64 << 20;

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let numbers = std::env::args().skip(1).map(|word| word.parse()).collect::<std::result::Result<Vec<f64>, _>>()?;
    let &[port, connections, size, in_flight, warm_up, seconds] = numbers.as_slice() else {
        return Err("usage: tungstenite_client PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS".into());
    };
    let payload = Utf8Bytes::from("x".repeat(size as usize));
    let count = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
        for _ in 0..connections as usize {
            let url = format!("ws://127.0.0.1:{port}/");
            let (connection, _) = connect_async_with_config(url, Some(config), true).await?;
            let (payload, count) = (payload.clone(), count.clone());
            tokio::task::spawn(async move {
                if let Err(error) = echo(connection, payload, in_flight as usize, &count).await {
                    eprintln!("{error}");
                    std::process::exit(1);
                }
            });
        }
        tokio::time::sleep(Duration::from_secs_f64(warm_up)).await;
        let (before, started, cpu) = (count.load(Relaxed), Instant::now(), processor_time()?);
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let took = started.elapsed().as_secs_f64();
        let rate = (count.load(Relaxed) - before) as f64 / took;
        println!("messages_per_second={rate:.0} load_cpu={:.3}", (processor_time()? - cpu) / took);
        std::process::exit(0)
    })
}

async fn echo(mut connection: Connection, payload: Utf8Bytes, in_flight: usize, count: &AtomicU64) -> Result<()> {
    for _ in 0..in_flight {
        connection.feed(Message::Text(payload.clone())).await?;
    }
    connection.flush().await?;
    loop {
        let mut next = connection.next().await;
        loop {
            let message = next.ok_or("the server hung up")??;
            if message.len() != payload.len() {
                return Err(format!("an answer of {} bytes", message.len()).into());
            }
            count.store(count.load(Relaxed) + 1, Relaxed);
            connection.feed(Message::Text(payload.clone())).await?;
            match connection.next().now_or_never() {
                Some(at_hand) => next = at_hand,
                None => break,
            }
        }
        connection.flush().await?;
    }
}

/// Of this process, in seconds: the first number of schedstat is nanoseconds.
fn processor_time() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split(' ').next().ok_or("schedstat is empty")?.parse::<f64>()? / 1e9)
}
