// SPDX-License-Identifier: MIT
// 200 platform threads: half of them serve connections, half are clients; locks, queues, sleeps.
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;

public class Crowd {
    static final int PAIRS = 100, MESSAGES = 50;
    static final BlockingQueue<Long> sums = new ArrayBlockingQueue<>(3);
    static final CountDownLatch ready = new CountDownLatch(PAIRS);
    static final AtomicLong served = new AtomicLong();
    static long guarded;

    static void serve(Socket socket) {
        try (socket) {
            DataInputStream in = new DataInputStream(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            for (int i = 0; i < MESSAGES; i++) {
                byte[] data = new byte[in.readInt()];
                in.readFully(data);
                out.writeLong(checksum(data));
                served.incrementAndGet();
            }
        } catch (IOException e) {
            throw new RuntimeException(e);
        }
    }

    static long checksum(byte[] data) {
        CRC32 crc = new CRC32();
        crc.update(data);
        return crc.getValue();
    }

    static void ask(int number, ServerSocket server) {
        Random random = new Random(number);
        long sum = 0;
        try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
            ready.countDown();
            ready.await();
            DataInputStream in = new DataInputStream(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            for (int i = 0; i < MESSAGES; i++) {
                byte[] data = new byte[random.nextInt(5000)];
                random.nextBytes(data);
                out.writeInt(data.length);
                out.write(data);
                long answer = in.readLong();
                if (answer != checksum(data))
                    throw new IllegalStateException("wrong answer");
                sum += answer;
                synchronized (Crowd.class) {
                    guarded += data.length;
                }
                if (i % 20 == 0)
                    Thread.sleep(5);
            }
            sums.put(sum);
        } catch (IOException | InterruptedException e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] args) throws Exception {
        List<Thread> threads = new ArrayList<>();
        ServerSocket server = new ServerSocket(0, PAIRS, InetAddress.getLoopbackAddress());
        for (int i = 0; i < PAIRS; i++) {
            int number = i;
            threads.add(new Thread(() -> ask(number, server)));
            threads.get(i).start();
        }
        for (int i = 0; i < PAIRS; i++) {
            Socket socket = server.accept();
            Thread thread = new Thread(() -> serve(socket));
            thread.start();
            threads.add(thread);
        }
        long sum = 0;
        for (int i = 0; i < PAIRS; i++)
            sum += sums.take();
        for (Thread thread : threads)
            thread.join();
        System.out.println("sum " + sum + " guarded " + guarded + " served " + served.get());
    }
}
