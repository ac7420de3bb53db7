use std::{path::Path, sync::Arc, time::Instant};
use kafka_log::*;
use kafka_record::*;
use kafka_types::*;
use time_types::*;
use vfs::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir_path = Path::new(&args[1]);
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let now = Now { tick: Tick(0), wall: WallMillis(1_700_000_000_000) };
    let dir = LogDir::open(vfs.clone(), dir_path).unwrap();
    let tp = TopicPartition::new("ours", 0);
    let build = |id: i64, seq: i32, tx: bool, comp: Compression, n: usize, size: usize| {
        let mut b = BatchBuilder::new(BatchOptions { codec: comp.into(), producer_id: ProducerId(id), producer_epoch: ProducerEpoch(if id<0 {-1} else {0}), base_sequence: seq, transactional: tx, ..Default::default() });
        for i in 0..n { b.append(1_700_000_000_000 + i as i64, Some(b"key"), Some(&vec![b'v'; size]), &[]).unwrap(); }
        b.finish()
    };
    match args[2].as_str() {
        "small" | "small-kill" => {
            let config = LogConfig { segment_bytes: 4096, index_interval_bytes: 300, segment_index_bytes: 4096, ..Default::default() };
            let mut log = dir.create(&tp, Uuid::from_random([9; 16]), config, now).unwrap();
            for i in 0..30 {
                log.append_as_leader(now, &build(-1, -1, false, Compression::None, 3, 50), LeaderEpoch(i / 7), AppendOrigin::Client).unwrap();
                log.append_as_leader(now, &build(7, i * 2, false, Compression::Lz4, 2, 50), LeaderEpoch(i / 7), AppendOrigin::Client).unwrap();
                log.append_as_leader(now, &build(8, i, true, Compression::Zstd, 1, 50), LeaderEpoch(i / 7), AppendOrigin::Client).unwrap();
                if i % 3 == 2 {
                    let m = kafka_record::control::EndTxnMarker { commit: i % 2 == 0, coordinator_epoch: 0 }.to_batch(1_700_000_000_000, ProducerId(8), ProducerEpoch(0));
                    log.append_as_leader(now, &m, LeaderEpoch(i / 7), AppendOrigin::Coordinator).unwrap();
                }
            }
            log.set_high_watermark(log.log_end());
            if args[2] == "small-kill" { let job = log.sync_job().unwrap().unwrap(); log.on_synced(job.run()).unwrap(); std::process::exit(0) }
            let end = log.close().unwrap();
            dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp, end)]).unwrap();
            dir.write_clean_marker().unwrap();
        }
        "big" => {
            let mut log = dir.create(&tp, Uuid::from_random([9; 16]), LogConfig::default(), now).unwrap();
            let gb: u64 = args[3].parse().unwrap();
            let per: usize = args[4].parse().unwrap();
            let mut seq = 0;
            let started = Instant::now();
            let (mut val, mut syncs) = (0u64, 0);
            let template = build(7, 0, false, Compression::None, 16384 / per, per);
            while log.size() < gb << 30 {
                let mut one = template.to_vec();
                // sequence lies under the crc
                one[53..57].copy_from_slice(&i32::to_be_bytes(seq));
                let crc = crc32c::crc32c(&one[21..]);
                one[17..21].copy_from_slice(&crc.to_be_bytes());
                let one = one.into();
                let t = Instant::now();
                let a = log.append_as_leader(now, &one, LeaderEpoch(0), AppendOrigin::Client).unwrap();
                val += t.elapsed().as_nanos() as u64;
                seq = (seq as i64 + (a.last_offset.0 - a.first_offset.0) + 1).rem_euclid(1 << 31) as i32;
                if log.unsynced().bytes > 64 << 20 {
                    let job = log.sync_job().unwrap().unwrap();
                    let p = log.on_synced(job.run()).unwrap();
                    dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp, p)]).unwrap();
                    syncs += 1;
                }
            }
            println!("{} GB in {:?}, appends {:.2} s, {} syncs, end {}", gb, started.elapsed(), val as f64 / 1e9, syncs, log.log_end());
            std::process::exit(0);
        }
        "open" => {
            let t = Instant::now();
            let shutdown = dir.take_clean_marker().unwrap();
            let contents = dir.contents(shutdown).unwrap();
            for log in contents.logs {
                let name = log.partition().to_string();
                let log = log.recover(LogConfig::default(), now).unwrap();
                println!("{name} {:?} start {} end {} rp {} segments {} in {:?}", shutdown, log.log_start(), log.log_end(), log.recovery_point(), log.segments(), t.elapsed());
                let t = Instant::now();
                let mut at = log.log_start();
                let mut bytes = 0;
                while at < log.log_end() && args.len() > 3 {
                    let r = log.read(at, 1 << 20, log.log_end(), true).unwrap();
                    bytes += r.len();
                    let s = r.slice.unwrap();
                    let b = s.read().unwrap();
                    for x in kafka_record::batches(&b) { at = x.unwrap().next_offset(); }
                }
                println!("read {bytes} in {:?}", t.elapsed());
            }
        }
        _ => panic!(),
    }
}
