import ij.gui.*;
import ij.io.*;
import ij.plugin.*;
import ij.plugin.filter.ThresholdToSelection;
import ij.process.*;
import java.awt.Rectangle;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.zip.*;

/** What ImageJ itself makes of selections: `masks ZIP WIDTH HEIGHT OUT`, or `draw SEED WIDTH HEIGHT ZIP OUT`. */
public class ImageJ {
    static PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true);

    public static void main(String[] args) throws Exception {
        int width = Integer.parseInt(args[2]), height = Integer.parseInt(args[3]);
        if (args[0].equals("draw"))
            draw(Long.parseLong(args[1]), width, height, Paths.get(args[4]));
        String zip = args[0].equals("draw") ? args[4] : args[1];
        String pixels = args[0].equals("draw") ? args[5] : args[4];
        try (OutputStream masks = new BufferedOutputStream(new FileOutputStream(pixels));
                ZipInputStream in = new ZipInputStream(new FileInputStream(zip))) {
            for (ZipEntry entry; (entry = in.getNextEntry()) != null;) {
                Roi roi = new RoiDecoder(in.readAllBytes(), entry.getName()).getRoi();
                ByteProcessor image = new ByteProcessor(width, height);
                if (roi.isArea()) {
                    image.setValue(255);
                    image.fill(roi);
                }
                masks.write((byte[]) image.getPixels());
                out.println(roi.getName() + "\t" + roi.getTypeAsString() + "\t" + roi.getPosition() + "\t"
                        + roi.getCPosition() + "\t" + roi.getZPosition() + "\t" + roi.getTPosition());
            }
        }
    }

    /** Selections of every kind that ImageJ's tools, wand, thresholds and commands make, as its ROI Manager saves them. */
    static void draw(long seed, int width, int height, Path zip) throws Exception {
        Random random = new Random(seed);
        List<Roi> rois = new ArrayList<>();
        for (int n = 0; n < 12; n++) {
            double x = random.nextDouble() * (width - 20), y = random.nextDouble() * (height - 20);
            int w = 3 + random.nextInt(18), h = 3 + random.nextInt(14);
            rois.add(named(new Roi((int) x, (int) y, w, h), "rectangle"));
            rois.add(named(new Roi(x, y, w + random.nextDouble(), h + random.nextDouble()), "subpixel rectangle"));
            Roi round = new Roi((int) x, (int) y, w, h);
            round.setCornerDiameter(2 + random.nextInt(9));
            rois.add(named(round, "rounded rectangle"));
            rois.add(named(new OvalRoi((int) x, (int) y, w, h), "oval"));
            rois.add(named(new OvalRoi(x, y, w + random.nextDouble(), h + random.nextDouble()), "subpixel oval"));
            rois.add(named(new EllipseRoi(x, y, x + w, y + h, 0.2 + 0.8 * random.nextDouble()), "ellipse"));
            rois.add(named(new RotatedRectRoi(x, y, x + w, y + h, 2 + 9 * random.nextDouble()), "rotated rectangle"));
            rois.add(named(star(random, x, y, false), "polygon"));
            rois.add(named(star(random, x, y, true), "subpixel polygon"));
            rois.add(named(halves(random, x, y), "polygon of half pixels"));
            Roi blob = traced(random, width, height);
            rois.add(named(blob, "threshold"));
            Roi one = new OvalRoi((int) x, (int) y, w + 6, h + 6), two = star(random, x + 3, y + 3, true);
            rois.add(named(new ShapeRoi(one).not(new ShapeRoi(two)), "composite, subtracted"));
            rois.add(named(new ShapeRoi(one).xor(new ShapeRoi(star(random, x, y, false))), "composite, xor"));
            rois.add(named(new ShapeRoi(new java.awt.geom.Ellipse2D.Double(x, y, w + 4, h + 5)), "curves"));
            Roi larger = RoiEnlarger.enlarge(star(random, x, y, true), 2);
            rois.add(named(larger, "enlarged"));
            rois.add(named(RoiRotator.rotate(new Roi((int) x, (int) y, w, h), 360 * random.nextDouble()), "rotated"));
            rois.add(named(RoiScaler.scale(star(random, x, y, false), 1.37, 0.81, true), "scaled"));
            Roi beyond = star(random, -9 + 3 * random.nextDouble(), height - 6, true);
            rois.add(named(beyond, "beyond the image"));
        }
        rois.add(named(new PointRoi(4, 5), "point"));
        rois.add(named(new Line(1, 2, 9, 7), "line"));
        try (ZipOutputStream out = new ZipOutputStream(new FileOutputStream(zip.toFile()))) {
            int n = 0;
            for (Roi roi : rois) {
                roi.setName(String.format("%04d %s", n++, roi.getName()));
                out.putNextEntry(new ZipEntry(roi.getName() + ".roi"));
                out.write(RoiEncoder.saveAsByteArray(roi));
                out.closeEntry();
            }
        }
    }

    static Roi named(Roi roi, String name) {
        roi.setName(name);
        return roi;
    }

    static PolygonRoi star(Random random, double x, double y, boolean subpixel) {
        int n = 5 + random.nextInt(25);
        float[] xs = new float[n], ys = new float[n];
        for (int i = 0; i < n; i++) {
            double angle = 2 * Math.PI * i / n, radius = 3 + 7 * random.nextDouble();
            xs[i] = (float) (x + 10 + radius * Math.cos(angle));
            ys[i] = (float) (y + 10 + radius * Math.sin(angle));
            if (!subpixel) {
                xs[i] = Math.round(xs[i]);
                ys[i] = Math.round(ys[i]);
            }
        }
        return new PolygonRoi(xs, ys, n, subpixel ? Roi.FREEROI : Roi.POLYGON);
    }

    /** Corners on the centres of pixels and on their borders, where ties decide. */
    static PolygonRoi halves(Random random, double x, double y) {
        int n = 4 + random.nextInt(6);
        float[] xs = new float[n], ys = new float[n];
        for (int i = 0; i < n; i++) {
            xs[i] = (int) x + random.nextInt(28) / 2f;
            ys[i] = (int) y + random.nextInt(28) / 2f;
        }
        return new PolygonRoi(xs, ys, n, Roi.POLYGON);
    }

    /** Pieces with holes, as a threshold selects them in a noisy image. */
    static Roi traced(Random random, int width, int height) {
        ByteProcessor image = new ByteProcessor(width, height);
        for (int i = 0; i < width * height / 3; i++)
            image.set(random.nextInt(width * height), 255);
        image.smooth();
        image.setThreshold(100, 255, ImageProcessor.NO_LUT_UPDATE);
        return ThresholdToSelection.run(new ij.ImagePlus("", image));
    }
}
