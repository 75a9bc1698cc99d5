// DemoWorker
