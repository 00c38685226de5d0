using LlmRL.Alarms;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;
using LlmRL.Tokenization;
using TorchSharp;

namespace LlmRL.Training;

/// <summary>What a stage is given: tokenizer, device, logs, the run's seed, and access to data sets and to the models of earlier stages.</summary>
public sealed class StageContext
{
    private readonly long started;
    private int skipped;

    /// <summary>Prepares a stage.</summary>
    public StageContext(Stage stage, RunEnvironment run)
    {
        (Stage, Run) = (stage, run);
        started = run.Time.GetTimestamp();
    }

    /// <summary>The stage.</summary>
    public Stage Stage { get; }

    /// <summary>What all stages of the run share.</summary>
    public RunEnvironment Run { get; }

    /// <summary>Text ↔ ids.</summary>
    public Tokenizer Tokenizer => Run.Tokenizer;

    /// <summary>Where models live.</summary>
    public torch.Device Device => Run.Device;

    /// <summary>Where steps and samples are reported.</summary>
    public RunLog Log => Run.Log;

    /// <summary>Asks the stage to stop.</summary>
    public CancellationToken Cancellation => Run.Cancellation;

    /// <summary>What the passes of this stage's models read and compute in: as a training stage says, else float32.</summary>
    private torch.ScalarType DType => WeightTypes.Choose((Stage as TrainingStage)?.Dtype ?? WeightType.Float32, Device);

    /// <summary>The kind of a stage as recipes spell it.</summary>
    public string Kind(Stage stage) => Variants.NameOf(stage.GetType()) ?? stage.GetType().Name;

    /// <summary>A key for a stream of random numbers of this stage, for <see cref="CounterRandom"/>.</summary>
    public ulong Key(string purpose) => CounterRandom.Key(Run.Recipe.Seed, CounterRandom.Hash(Stage.Name), CounterRandom.Hash(purpose));

    /// <summary>Seconds that earlier sessions spent on this stage, up to the checkpoint that was resumed from.</summary>
    public double EarlierSeconds { get; set; }

    /// <summary>Seconds spent on this stage in all sessions.</summary>
    public double Seconds => Math.Round(EarlierSeconds + Run.Time.GetElapsedTime(started).TotalSeconds, 3);

    /// <summary>A metric of this stage at every step logged so far, those of earlier sessions included.</summary>
    public IEnumerable<double> Logged(string metric) => MetricsReader.Read(Run.Directory.MetricsPath)
        .Where(row => row.Stage == Stage.Name && row.Values.ContainsKey(metric)).Select(row => row.Values[metric]);

    /// <summary>All metrics of this stage's last logged step, without those on held-out rows.</summary>
    public OrderedDictionary<string, double> LoggedLast() =>
        MetricsReader.Read(Run.Directory.MetricsPath).Last(row => row.Stage == Stage.Name && !row.Values.Keys.Any(HeldOutSchedule.IsHeldOut)).Values;

    /// <summary>What this stage has logged so far, in order.</summary>
    public IEnumerable<string> LoggedNames() => MetricsReader.Read(Run.Directory.MetricsPath).Where(row => row.Stage == Stage.Name).SelectMany(row => row.Values.Keys).Distinct();

    /// <summary>The metrics on held-out rows that this stage logged after a step; null where there are none.</summary>
    public OrderedDictionary<string, double>? LoggedEvaluation(int step) =>
        MetricsReader.Read(Run.Directory.MetricsPath).LastOrDefault(row => row.Stage == Stage.Name && row.Step == step && row.Values.Keys.Any(HeldOutSchedule.IsHeldOut))?.Values;

    /// <summary>Opens a data set; the same source gives the same object.</summary>
    public IExampleSource Open(DataSource source) => Run.Open(source);

    /// <summary>Loads the model of an earlier stage, a folder, or the recipe's own model.</summary>
    /// <param name="reference">A stage's name, a folder, or <c>base</c>.</param>
    /// <param name="scalarHead">Whether a scalar head is wanted.</param>
    /// <param name="trainable">Whether gradients are kept.</param>
    /// <param name="masters">Whether a frozen model has float32 weights whatever its passes read, since they will change. On the CPU, where they are sampled from, all have.</param>
    public Transformer LoadModel(string reference, bool scalarHead = false, bool trainable = true, bool masters = false) =>
        Run.LoadModel(reference, scalarHead, trainable, Key("init"), DType, masters || Device.type == DeviceType.CPU);

    /// <summary>Loads the model that a stage trains: all of it, or adapters beside it.</summary>
    /// <param name="reference">A stage's name, a folder, or <c>base</c>.</param>
    /// <param name="lora">The adapters; null: none.</param>
    /// <param name="scalarHead">Whether a scalar head is wanted.</param>
    public Transformer LoadTrained(string reference, LoraOptions? lora, bool scalarHead = false)
    {
        var model = LoadModel(reference, scalarHead, trainable: lora is null);
        model.GradientCheckpointing = Stage is TrainingStage { GradientCheckpointing: true };
        if (lora is null)
            return model;
        var isStage = Run.Recipe.Stages.Any(stage => stage.Name == reference);
        var adapters = new LoraAdapters(model.Config, lora, scalarHead, Device, model.DType)
        {
            BaseName = isStage ? null : reference != Recipe.BaseModel ? reference : Run.Recipe.Model is { Adapter: null, Path: { } path } ? path : null,
            BaseFolder = isStage ? Run.Directory.Final(reference) : null,
        };
        adapters.Initialize(model.Parameters, Key(scalarHead ? "lora/value" : "lora"));
        model.Attach(adapters);
        return model;
    }

    /// <summary>The optimizer of what a stage trains of a model, its moments where the stage wants them.</summary>
    /// <exception cref="BadInputException">They are wanted on the disk, which has no room for them.</exception>
    public AdamW Optimizer(Transformer model)
    {
        var (stage, parameters) = ((TrainingStage)Stage, model.TrainedParameters);
        OptimizerOffloads.Check(stage.OptimizerOffload, Device);
        return stage.OptimizerOffload == OptimizerOffload.Disk
            ? new AdamW(parameters, stage.OptimizerOptions(), MomentFile.Create(Run.Directory.Root, MomentChunk.Of(parameters)))
            : new AdamW(parameters, stage.OptimizerOptions());
    }

    /// <summary>The frozen model that a loss compares with. Where the trained one has adapters and started from it, it is the same object: without them it is the reference.</summary>
    /// <param name="reference">A stage's name, a folder, or <c>base</c>.</param>
    /// <param name="start">Where the trained model started.</param>
    /// <param name="trained">The trained model.</param>
    /// <param name="changes">Whether it will be changed after all.</param>
    public Transformer LoadReference(string reference, string start, Transformer trained, bool changes = false) =>
        trained.Adapters is not null && reference == start ? trained : LoadModel(reference, trainable: false, masters: changes);

    /// <summary>Draws anew what dropout leaves out, by the number of optimizer steps taken: a resumed run draws the same.</summary>
    internal static void DrawDropout(Transformer model, AdamW optimizer)
    {
        if (model.Adapters is { } adapters)
            adapters.DropoutKey = CounterRandom.Key(adapters.DropoutSeed, (ulong)optimizer.StepCount);
    }

    /// <summary>Encodes a row's prompt; see <see cref="Prompting.Encode"/>.</summary>
    public int[] EncodePrompt(Example example) => Prompting.Encode(Tokenizer, example.Prompt, example.HasSpecialTokens);

    /// <summary>Encodes a row's prompt with one of its completions and EOS; see <see cref="Prompting.EncodePair"/>.</summary>
    public (int[] Prompt, int[] Completion) EncodePair(Example example, string completion) =>
        Prompting.EncodePair(Tokenizer, example.Prompt, completion, example.HasSpecialTokens);

    /// <summary>Encodes a row's prompt with its completion and EOS, and tells which of the completion's tokens the assistant says; see <see cref="AssistantSpans"/>.</summary>
    public (int[] Prompt, int[] Completion, bool[] Said) EncodeConversation(Example example) =>
        Prompting.EncodeMarked(Tokenizer, example.Prompt, example.Demonstration ?? "", AssistantSpans.Of(example, ChatForm.Of(Tokenizer)), example.HasSpecialTokens);

    /// <summary>Runs an optimizer step; where the loss or gradient is not finite, stops the run with all that is needed to look into it.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="metrics">The minibatch's numbers, its loss among them.</param>
    /// <param name="optimizerStep">Takes the step, or throws where the gradient is not finite.</param>
    /// <param name="keep">Saves the minibatch, given what was not finite, and returns its folder.</param>
    public double Guard(int step, BatchMetrics metrics, Func<double> optimizerStep, Func<string, string> keep) => Explain(step, () =>
    {
        try
        {
            return double.IsFinite(metrics["loss"]) ? optimizerStep() : throw new NonFiniteException($"the loss is {metrics["loss"]}");
        }
        catch (NonFiniteException fault)
        {
            string folder;
            try
            {
                folder = keep(fault.Message);
            }
            catch (Exception other) when (other is IOException or UnauthorizedAccessException)
            {
                throw new NonFiniteException($"{fault.Message} (and the batch could not be saved: {other.Message})");
            }

            throw new NonFiniteException($"{fault.Message}. The batch is in {folder}; llmrl replay {folder} says where it begins");
        }
    });

    /// <summary>Runs a part of a step; where a number in it is not finite, says in which step, and what can be done.</summary>
    public T Explain<T>(int step, Func<T> part)
    {
        try
        {
            return part();
        }
        catch (NonFiniteException fault)
        {
            var good = Run.Directory.CheckpointSteps(Stage.Name);
            throw new NonFiniteException($"stage {Stage.Name}, step {step + 1}: {fault.Message}. The weights before this step are untouched; "
                + (good.Count > 0 ? $"the last checkpoint is {Run.Directory.Checkpoint(Stage.Name, good[^1])}." : "no checkpoint was written yet (save_steps is 0 or was not reached).")
                + " Lower learning_rate, or set max_grad_norm.");
        }
    }

    /// <summary>Says that an alarm ended the stage, where one did.</summary>
    /// <param name="alarms">What watched it.</param>
    /// <param name="step">Steps done.</param>
    public void NoteStopped(AlarmMonitor alarms, int step)
    {
        if (alarms.StoppedBy is { } stop)
            Run.Console.Note($"{Stage.Name}: ended after step {step} of {((TrainingStage)Stage).Steps} by the alarm {stop.Alarm}, checkpoint {Run.Directory.Checkpoint(Stage.Name, step)}");
    }

    /// <summary>Counts a row that is too long, and says so the first time.</summary>
    public void CountSkipped(Example example, int limit)
    {
        if (skipped++ == 0)
            Run.Console.Warn($"{Stage.Name}: {example.Source} has more than {limit} tokens and is left out; further rows like it are left out without a word.");
    }

    /// <summary>Writes the stage's model to <c>final/NAME</c>, and adapters, which are merged into it, to <c>final/NAME/adapter</c> too.</summary>
    public void SaveFinal(Transformer model)
    {
        var folder = Run.Directory.Final(Stage.Name);
        Disk.DeleteFolder(Path.Combine(folder, AdapterFolder.Name));
        if (model.Adapters is { } adapters)
            AdapterFolder.Save(adapters, Path.Combine(folder, AdapterFolder.Name), model.ScoreShift);
        ModelFolder.Save(model, folder, Tokenizer);
    }

    /// <summary>The stage's entry in <c>summary.json</c>.</summary>
    public StageSummary Summary(Stage stage, OrderedDictionary<string, double> metrics) =>
        new(stage.Name, Kind(stage), (stage as TrainingStage)?.Steps ?? 0, Seconds, metrics);

    /// <summary>The same of a stage that alarms watch, and may have ended before its last step.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="steps">Steps that it made.</param>
    /// <param name="metrics">Its headline numbers.</param>
    public StageSummary Summary(Stage stage, int steps, OrderedDictionary<string, double> metrics) =>
        Summary(stage, metrics) with { Steps = steps, Alarms = Log.Alarms is { Watched.Count: > 0 } alarms ? alarms.Events : null };
}
