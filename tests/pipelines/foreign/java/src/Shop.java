import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.Map;

/** A shop of one page. */
public class Shop {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> pages = Map.of(
            "/health", "{\"status\": \"UP\"}",
            "/items", "[{\"name\": \"chair\", \"price\": \"20\"}]");
        HttpServer server = HttpServer.create(new InetSocketAddress(System.getenv("HOST"), Integer.getInteger("port")), 0);
        server.createContext("/", exchange -> {
            String page = pages.get(exchange.getRequestURI().getPath());
            byte[] body = (page == null ? "" : page).getBytes();
            exchange.sendResponseHeaders(page == null ? 404 : 200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
