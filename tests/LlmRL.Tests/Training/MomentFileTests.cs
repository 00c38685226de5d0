using System.Runtime.InteropServices;
using LlmRL.Faults;
using LlmRL.Models;
using LlmRL.Runs;
using LlmRL.Tests.Runs;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Training;

/// <summary>The optimizer's state on the disk: the same bits as in memory, step by step, in checkpoints and in runs that switch between the two.</summary>
[Collection(TensorCollection.Name)]
public sealed class MomentFileTests : IDisposable
{
    private const string Offload = "optimizer_offload: disk";

    // No multiples of a chunk but one, parameters that decay beside some that do not.
    private static readonly ParameterSpec[] Specs =
    [
        Spec("a", 7), Spec("b", MomentChunk.Length + 37, 1), Spec("c", MomentChunk.Length), Spec("d", 5, 11), Spec("e", 2 * MomentChunk.Length / 16 + 1, 16), Spec("f", 3),
    ];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Steps_from_a_file_have_the_bits_of_those_in_memory()
    {
        using FlatParameters parameters = new(Specs, CPU, trainable: true), others = new(Specs, CPU, trainable: true);
        using AdamW memory = new(parameters, Options()), disk = new(others, Options(), MomentFile.Create(folder.Path, MomentChunk.Of(others)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
        Fill(parameters.Values, 99, 1);
        others.CopyFrom(parameters);
        for (var step = 0; step < 5; step++)
        {
            Step(parameters, memory, step);
            Step(others, disk, step);
            Assert.Equal(Bytes(parameters.Values), Bytes(others.Values));
            Assert.Equal(Saved(memory.Moments), Saved(disk.Moments));
        }

        Assert.Contains(memory.SquaredMoment.data<float>().ToArray(), value => value > 0);
        Assert.Throws<InvalidOperationException>(() => disk.Moment);
    }

    [Fact]
    public void A_copy_stays_as_it_was_and_is_read_back_into_a_file_and_into_memory()
    {
        using FlatParameters parameters = new(Specs, CPU, trainable: true);
        using var optimizer = new AdamW(parameters, Options(), MomentFile.Create(folder.Path, MomentChunk.Of(parameters)));
        Step(parameters, optimizer, 0);
        var before = Saved(optimizer.Moments);
        using var copy = optimizer.Moments.Copy();
        Step(parameters, optimizer, 1);
        Assert.Equal(before, Saved(copy));
        Assert.NotEqual(before, Saved(optimizer.Moments));
        File.WriteAllBytes(folder["saved.safetensors"], before);
        using var reader = new SafetensorsReader(folder["saved.safetensors"]);
        using IMoments memory = new MomentTensors(parameters.Count, CPU), file = MomentFile.Create(folder.Path, MomentChunk.Of(parameters));
        memory.Load(reader);
        file.Load(reader);
        Assert.Equal(before, Saved(memory));
        Assert.Equal(before, Saved(file));
        using var other = MomentFile.Create(folder.Path, [new MomentChunk(0, 5, Decays: true)]);
        Assert.Contains("exp_avg is missing or of another size", Assert.Throws<BadInputException>(() => other.Load(reader)).Message);
    }

    [Fact]
    public void A_disk_without_room_for_all_of_it_is_told_before_any_step()
    {
        MomentChunk[] chunks = [.. Enumerable.Range(0, 1 << 12).Select(i => new MomentChunk((long)i * int.MaxValue, int.MaxValue, Decays: false))];
        var message = Assert.Throws<BadInputException>(() => MomentFile.Create(folder.Path, chunks)).Message;
        Assert.Contains($"optimizer_offload: disk takes {(8L << 12) * int.MaxValue:N0} bytes in {folder.Path}", message);
        Assert.Contains("name a folder on another disk with --out", message);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
        Assert.Contains("did not get them", Assert.Throws<BadInputException>(() => MomentFile.Create(folder["missing"], [new MomentChunk(0, 8, true)])).Message);
    }

    [Fact]
    public void A_step_that_the_disk_fails_ends_the_run_which_goes_on_from_its_checkpoint()
    {
        const string stage = $"  - sft: {{ name: sft, data: {{ generator: arithmetic, count: 30 }}, steps: 6, batch_size: 2, save_steps: 2, {Offload} }}";
        var (whole, run) = (New("whole", stage), New("run", stage));
        whole.Run();
        using (Disk.Inject(new MomentFault(run)))
        {
            var message = Assert.Throws<IOException>(() => run.Run()).Message;
            Assert.Contains("AdamW's moments, which are on the disk, could not be read or written: Input/output error", message);
            Assert.Contains("--resume", message);
        }

        Assert.Contains("resuming after step", run.Run(resume: true));
        AssertSame(whole, run);
    }

    [Fact]
    public void A_checkpoint_whose_copy_finds_no_room_names_the_last_good_one()
    {
        var run = New("run", $"  - sft: {{ name: sft, data: {{ generator: arithmetic, count: 30 }}, steps: 6, batch_size: 2, save_steps: 2, {Offload} }}");
        using (Disk.Inject(new CopyFault(run)))
        {
            var message = Assert.Throws<IOException>(() => run.Run()).Message;
            Assert.Contains("the checkpoint after step 4 could not be written: No space left", message);
            Assert.Contains($"The last good one is {run.Directory.Checkpoint("sft", 2)}", message);
        }
    }

    /// <summary>Every stage with an optimizer, with adapters too, interrupted in each and gone on with the moments elsewhere: the bytes of a run that kept them in memory.</summary>
    [Theory]
    [InlineData("none", "disk")]
    [InlineData("disk", "none")]
    [InlineData("disk", "disk")]
    public void Interrupted_runs_leave_the_same_bytes_wherever_the_moments_are(string first, string then)
    {
        var pairs = folder["pairs.jsonl"];
        File.WriteAllLines(pairs, Enumerable.Range(0, 12).Select(i => $$"""{"prompt": "Q: {{i}}\nA:", "chosen": " {{i}}{{i}}", "rejected": " no {{i}}"}"""));
        const string online = "data: { generator: arithmetic, split: rl, count: 20 }, reward: { length: { target: 6 } }, num_generations: 2, prompts_per_step: 2, max_completion_length: 8, steps: 4, save_steps: 1";
        string Stages(string where) =>
            $"  - sft: {{ name: sft, data: {{ generator: arithmetic, count: 30 }}, steps: 4, batch_size: 2, save_steps: 1, weight_decay: 0.1, optimizer_offload: {where} }}\n"
            + $"  - reward_model: {{ name: rm, data: {{ path: {pairs} }}, policy: sft, steps: 4, batch_size: 4, save_steps: 1, lora: {{ r: 2 }}, optimizer_offload: {where} }}\n"
            + $"  - ppo: {{ name: ppo, policy: sft, value: rm, {online}, num_ppo_epochs: 2, num_mini_batches: 2, optimizer_offload: {where} }}";
        var whole = New("whole", Stages("none"));
        whole.Run();
        var run = New("stopped", Stages(first));
        foreach (var (stage, resume) in new[] { ("sft", false), ("rm", true), ("ppo", true) })
        {
            using (Disk.Inject(new FaultIn(Path.Combine("checkpoints", stage, "step-3"))))
                Assert.Throws<IOException>(() => run.Run(resume, Set(resume ? then : first)));
            Assert.Equal(2, run.Directory.CheckpointSteps(stage)[^1]);
        }

        Assert.Contains("resuming after step 2 of 4", run.Run(resume: true, Set(then)));
        AssertSame(whole, run);
        Assert.Empty(Directory.GetFiles(run.Root, "*.tmp", SearchOption.AllDirectories));

        static string[] Set(string where) => [.. new[] { "sft", "rm", "ppo" }.Select(stage => $"stages.{stage}.optimizer_offload={where}")];
    }

    private static ParameterSpec Spec(string name, params long[] shape) => new(name, shape, ParameterInit.One, []);

    private static AdamWOptions Options() => new() { WeightDecay = 0.3, MaxGradNorm = 1 };

    private static void Step(FlatParameters parameters, AdamW optimizer, int step)
    {
        // Clipped and not.
        Fill(parameters.Gradients!, step, step % 2 == 0 ? 1 : 1e-4);
        optimizer.Step(1e-2);
    }

    private static void Fill(Tensor target, int key, double scale)
    {
        using var guard = no_grad();
        var random = new RandomStream(CounterRandom.Key((ulong)key));
        using var source = tensor(Enumerable.Range(0, (int)target.NumberOfElements).Select(_ => (float)(scale * random.NextNormal())).ToArray());
        target.copy_(source);
    }

    private static byte[] Bytes(Tensor values) => MemoryMarshal.AsBytes<float>(values.data<float>().ToArray()).ToArray();

    /// <summary>The moments as a checkpoint's file has them.</summary>
    private static byte[] Saved(IMoments moments)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, moments.Items());
        return stream.ToArray();
    }

    private SmallRun New(string name, string stages)
    {
        Directory.CreateDirectory(folder[name]);
        return new SmallRun(folder[name], stages);
    }

    private static void AssertSame(SmallRun expected, SmallRun actual)
    {
        var (wanted, found) = (Results(expected.Root), Results(actual.Root));
        Assert.Contains(wanted.Keys, name => name.EndsWith("optimizer.safetensors", StringComparison.Ordinal));
        Assert.Equal(wanted.Keys.Order(), found.Keys.Order());
        Assert.All(wanted, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(found[pair.Key]), pair.Key));

        static Dictionary<string, byte[]> Results(string run)
        {
            var results = FaultedWrites.Results(run);
            foreach (var file in Directory.GetFiles(run, "optimizer.safetensors", SearchOption.AllDirectories))
                results.Add(Path.GetRelativePath(run, file), File.ReadAllBytes(file));
            return results;
        }
    }

    private sealed class FaultIn(string name) : IDiskFaults
    {
        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            operation == DiskOperation.Write && path.Contains(name, StringComparison.Ordinal) ? new WriteFault(0, new IOException("No space left on device")) : null;
    }

    /// <summary>Once there is a checkpoint, the file that steps write to (the first one) takes half of a chunk, and fails.</summary>
    private sealed class MomentFault(SmallRun run) : IDiskFaults
    {
        private readonly MomentFiles files = new();

        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            files.IsFirst(path) && run.Directory.CheckpointSteps("sft").Count > 0 ? new WriteFault(bytes / 2, new IOException("Input/output error")) : null;
    }

    /// <summary>Once there is a checkpoint, there is no room for a copy.</summary>
    private sealed class CopyFault(SmallRun run) : IDiskFaults
    {
        private readonly MomentFiles files = new();

        public WriteFault? Before(DiskOperation operation, string path, int bytes) =>
            files.IsLater(path) && run.Directory.CheckpointSteps("sft").Count > 0 ? new WriteFault(0, new IOException("No space left on device")) : null;
    }

    private sealed class MomentFiles
    {
        private string? first;

        public bool IsFirst(string path) => Path.GetFileName(path).StartsWith(".moments.", StringComparison.Ordinal) && (Interlocked.CompareExchange(ref first, path, null) ?? path) == path;

        public bool IsLater(string path) => !IsFirst(path) && Path.GetFileName(path).StartsWith(".moments.", StringComparison.Ordinal);
    }
}
